// Work that may wait: it runs between frames, a little at a time, so that no task blocks the page. The newest work comes first: the end of
// a conversation is what the reader sees when it opens.

const SLICE_MS = 10;
const waiting: (() => void)[] = [];
let running = false;

/** Runs a task between frames; the function that it returns cancels it. */
export function whenIdle(task: () => void): () => void {
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
