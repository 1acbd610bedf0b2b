// Work that may wait, done between frames a little at a time, so that no task of the page blocks it. What was asked for last is done
// first: of a conversation that is opened, its end is what is seen.

const SLICE_MS = 10;
const waiting: (() => void)[] = [];
let running = false;

/** Does something soon; returns what calls it off. */
export function later(task: () => void): () => void {
  waiting.push(task);
  if (!running) {
    running = true;
    // A little at once: most often it is all.
    requestAnimationFrame(work);
  }
  return () => {
    const at = waiting.indexOf(task);
    if (at >= 0) waiting.splice(at, 1);
  };
}

function work(): void {
  const end = performance.now() + SLICE_MS;
  do waiting.pop()?.();
  while (waiting.length > 0 && performance.now() < end);
  running = waiting.length > 0;
  if (running) setTimeout(work);
}
