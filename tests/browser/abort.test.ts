// Cancellation at every stage: at once, and without a trace.
// Runs alone: its calls must end within 200 ms.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { withModel } from './support/setup.js';
import { BASE, CHAT, loadInPage, someIds } from './support/tiny-model.js';

/** Longest time from the abort to the rejection, in milliseconds. */
const PROMPTLY = 200;

withModel(BASE, { contextLength: 2048, prefillChunk: 64 }, (tab) => {
  for (const [when, tokens] of [['the prefill of a long prompt', 0], ['decoding', 3]] as const) {
    it(`during ${when}: rejects within ${PROMPTLY} ms, and the next call works`, async (context) => {
      const seen = await tab.page.evaluate(
        async (ids, after) => {
          const times: number[] = [];
          const names: string[] = [];
          const expected = (await model.generate([2, 10], { maxTokens: 4, temperature: 0 })).tokens;
          const prompt = after === 0 ? ids : ids.slice(0, 8);
          const options = { temperature: 0, logitBias: { 1: -100, 106: -100 } };
          const work = async (call: () => Promise<unknown>): Promise<number> => {
            const before = (await model.stats()).dispatches;
            await call();
            return (await model.stats()).dispatches - before;
          };
          const whole = await work(async () => model.generate(prompt, { ...options, maxTokens: 40 }));
          const done: number[] = [];
          for (let run = 0; run < 3; run += 1) {
            const stop = new AbortController();
            let came = 0;
            let began = 0;
            const abort = (): void => {
              began ||= performance.now();
              stop.abort();
            };
            const aborted = async (): Promise<void> => {
              const listen = {
                signal: stop.signal,
                onPrefillProgress: (progress: { done: number; total: number }) => void (after === 0 && progress.done < progress.total && abort()),
                onToken: () => void ((came += 1) > after && abort()),
              };
              await model.generate(prompt, { ...options, ...listen, maxTokens: 1000 }).then(() => names.push('resolved'), ({ name }) => names.push(name));
              times.push(performance.now() - began);
            };
            done.push(await work(aborted));
          }
          const next = (await model.generate([2, 10], { maxTokens: 4, temperature: 0 })).tokens;
          return { times, names, whole, done, same: String(next) === String(expected) };
        },
        someIds(600),
        tokens,
      );
      assert.deepEqual(seen.names, ['AbortError', 'AbortError', 'AbortError']);
      assert.ok(seen.same);
      context.diagnostic(`aborted after ${seen.times.map((ms) => ms.toFixed(0)).join(', ')} ms and ${seen.done} of ${seen.whole} dispatches`);
      assert.ok(Math.max(...seen.times) < PROMPTLY, `it took ${seen.times} ms`);
      // The engine stops too: it skips most of the work of 40 tokens, let alone of 1000.
      assert.ok(seen.done.every((dispatches) => dispatches < seen.whole * 0.8), `${seen.done} of ${seen.whole} dispatches`);
    });
  }

  it('before it begins: nothing is computed', async () => {
    const seen = await tab.page.evaluate(async () => {
      const before = (await model.stats()).submits;
      const name = await model.generate('a', { signal: AbortSignal.abort() }).then(String, (error) => error.name);
      return { name, submits: (await model.stats()).submits - before };
    });
    assert.deepEqual(seen, { name: 'AbortError', submits: 0 });
  });

  // Chromium takes a second for each on its software GPU.
  const times = tab.browserName === 'chromium' ? 60 : 200;
  it(`${times} times at every moment: not a byte of the GPU more`, async () => {
    await loadInPage(tab.page, tab.url(CHAT), { contextLength: 512, prefillChunk: 8 });
    const seen = await tab.page.evaluate(async (ids, times) => {
      const text = 'more and more words to read';
      const once = async (): Promise<readonly number[]> => (await model.generate([2, 10], { maxTokens: 4, temperature: 0 })).tokens;
      // Memory that stays after the first round is no leak.
      const first = model.session();
      await first.send(text, { maxTokens: 2 });
      const expected = await once();
      await first.dispose();
      const before = await model.memory();
      const chat = model.session();
      const outcomes = new Map<string, number>();
      for (let run = 0; run < times; run += 1) {
        const stop = new AbortController();
        let left = run % 3;
        const count = (): void => void ((left -= 1) < 0 && stop.abort());
        // Aborts in the queue, in the prompt and in the first tokens, with a session and without.
        if (run % 7 === 0) setTimeout(() => stop.abort(), run % 3);
        const options = { maxTokens: 100, logitBias: { 1: -100, 106: -100 }, signal: stop.signal, onToken: count, onPrefillProgress: run % 2 ? count : undefined };
        const running = run % 10 === 0 ? chat.send(text, options) : model.generate(ids, options);
        const name = await running.then(() => 'resolved', (error) => String(error.name));
        outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
      }
      const tokens = await once();
      const history = chat.history.length;
      await chat.dispose();
      return { before, after: await model.memory(), outcomes: [...outcomes], tokens, expected, history };
    }, someIds(24), times);
    assert.deepEqual(seen.outcomes, [['AbortError', times]]);
    assert.deepEqual(seen.after, seen.before);
    assert.deepEqual(seen.tokens, seen.expected);
    assert.equal(seen.history, 0);
  });
});
