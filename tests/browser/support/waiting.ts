// Waiting on the side of the tests.

export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Calls `look` until its answer is neither false nor empty. An exception counts as no answer: a page may still be loading. */
export async function until<T>(what: string, look: () => T | Promise<T>, ms = 20_000): Promise<T> {
  const deadline = Date.now() + ms;
  for (let problem = ''; ; await pause(50)) {
    try {
      const found = await look();
      if (found) return found;
    } catch (error) {
      problem = `: ${String(error)}`;
    }
    if (Date.now() > deadline) throw new Error(`${what} did not come within ${ms} ms${problem}`);
  }
}
