// Generations and each of their options, on a tiny model.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withModel } from './support/setup.js';
import { BASE, generate, likeliest, logits, logSoftmax, penalised, refused, someIds } from './support/tiny-model.js';

const PROMPT = [2, 10, 20];

withModel(BASE, { prefillChunk: 64, contextLength: 512 }, (tab) => {
  // Chromium's GPU here computes a tenth of Firefox's tokens a second.
  const slow = tab.browserName === 'chromium';

  describe('a generation', () => {
    it('is awaited and iterated in every form, and runs once', async () => {
      const seen = await tab.page.evaluate(async () => {
        let calls = 0;
        const generation = model.generate([2, 10, 20], { maxTokens: 12, temperature: 0, onToken: () => void (calls += 1) });
        const all = async <T>(pieces: AsyncIterable<T>): Promise<T[]> => {
          const list: T[] = [];
          for await (const piece of pieces) list.push(piece);
          return list;
        };
        const [result, pieces, tokens] = await Promise.all([generation, all(generation), all(generation.tokens)]);
        const reader = generation.stream.getReader();
        let streamed = '';
        for (let part = await reader.read(); !part.done; part = await reader.read()) streamed += part.value;
        const late = (await all(generation)).join('');
        return { calls, result: { ...result }, pieces, tokens, streamed, late, same: (await generation) === result, kind: String(generation) };
      });
      const { text, tokens } = seen.result;
      assert.equal(tokens.length, 12);
      assert.equal(seen.calls, 12);
      assert.deepEqual(seen.tokens.map(({ id }) => id), tokens);
      assert.deepEqual([seen.pieces.join(''), seen.streamed, seen.late], [text, text, text]);
      assert.ok(seen.pieces.every((piece) => piece !== ''));
      assert.ok(seen.same);
      assert.equal(seen.kind, '[object Generation]');
    });

    it('starts without being awaited', async () => {
      const count = await tab.page.evaluate(
        () =>
          new Promise<number>((resolve) => {
            let tokens = 0;
            void model.generate([2, 10], { maxTokens: 3, temperature: 0, onToken: () => void ((tokens += 1) === 3 && resolve(tokens)) });
          }),
      );
      assert.equal(count, 3);
    });

    it('is aborted by leaving its loop, and by cancelling its stream; nothing is unhandled', async () => {
      const seen = await tab.page.evaluate(async () => {
        const name = (error: { name: string }): string => error.name;
        const left = model.generate([2, 10, 20], { maxTokens: 400, logitBias: { 1: -100, 106: -100 } });
        for await (const _ of left) break;
        const cancelled = model.generate([2, 10, 20], { maxTokens: 400, logitBias: { 1: -100, 106: -100 } });
        const reader = cancelled.stream.getReader();
        await reader.read();
        await reader.cancel();
        // Both fail before anything awaits them.
        await new Promise((done) => setTimeout(done, 300));
        const names = [await left.then(String, name), await cancelled.then(String, name)];
        return { names, next: (await model.generate([2, 10], { maxTokens: 2, temperature: 0 })).tokens.length, unhandled };
      });
      assert.deepEqual(seen, { names: ['AbortError', 'AbortError'], next: 2, unhandled: [] });
    });

    it('throws in its loop what it is rejected with, once', async () => {
      const seen = await tab.page.evaluate(async () => {
        const codes: unknown[] = [];
        try {
          for await (const _ of model.generate('a', { temperature: -1 })) codes.push('a piece');
        } catch (error) {
          codes.push((error as { code: unknown }).code);
        }
        const broken = model.generate('a', { topK: -5 });
        await new Promise((done) => setTimeout(done, 100));
        await broken.stream.getReader().read().catch((error) => codes.push(error.code));
        return { codes, unhandled };
      });
      assert.deepEqual(seen, { codes: ['invalid_option', 'invalid_option'], unhandled: [] });
    });

    it('stop() ends it gently, also while it waits', async () => {
      const seen = await tab.page.evaluate(async () => {
        const options = { maxTokens: 400, temperature: 0, logitBias: { 1: -100, 106: -100 } };
        const running = model.generate([2, 10, 20], { ...options, onToken: () => void (count += 1) === undefined && count === 5 && running.stop() });
        let count = 0;
        const waiting = model.generate([2, 10, 20], options);
        waiting.stop();
        const after = await model.generate([2, 10, 20], { ...options, maxTokens: 60 });
        return { first: { ...(await running) }, second: { ...(await waiting) }, after: after.tokens };
      });
      for (const { finishReason, tokens } of [seen.first, seen.second]) {
        assert.equal(finishReason, 'cancelled');
        assert.ok(tokens.length < 60, `${tokens.length} tokens`);
        assert.deepEqual(tokens, seen.after.slice(0, tokens.length));
      }
      assert.ok(seen.first.tokens.length >= 5);
      assert.ok(seen.second.tokens.length <= 2);
    });
  });

  describe('the option', () => {
    it('maxTokens', async () => {
      const { tokens, finishReason } = await generate(tab.page, PROMPT, { maxTokens: 7 });
      assert.deepEqual([tokens.length, finishReason], [7, 'length']);
    });

    it('temperature: 0 takes the likeliest; high ones do not', async () => {
      const greedy = await generate(tab.page, PROMPT, { maxTokens: 8 });
      let ids = PROMPT;
      for (const id of greedy.tokens) {
        assert.equal(likeliest(await logits(tab.page, ids)).id, id);
        ids = [...ids, id];
      }
      const hot = await generate(tab.page, PROMPT, { maxTokens: 8, temperature: 50, seed: 1, topK: 0, topP: 1 });
      assert.notDeepEqual(hot.tokens, greedy.tokens);
    });

    it('topK, topP and minP: at their narrowest they leave the likeliest only', async () => {
      const { tokens } = await generate(tab.page, PROMPT, { maxTokens: 8 });
      const hot = { maxTokens: 8, temperature: 3, seed: 3, topK: 0, topP: 1, minP: 0 };
      assert.notDeepEqual((await generate(tab.page, PROMPT, hot)).tokens, tokens);
      assert.deepEqual((await generate(tab.page, PROMPT, { ...hot, topK: 1 })).tokens, tokens);
      assert.deepEqual((await generate(tab.page, PROMPT, { ...hot, topP: 1e-6 })).tokens, tokens);
      assert.deepEqual((await generate(tab.page, PROMPT, { ...hot, minP: 1 })).tokens, tokens);
    });

    it('topK: nothing outside of the likeliest is drawn, and several of them are', async () => {
      const order = (await logits(tab.page, PROMPT)).map((value, id) => ({ value, id })).sort((a, b) => b.value - a.value);
      const likely = order.slice(0, 4).map(({ id }) => id);
      const drawn = new Set<number>();
      for (let seed = 0; seed < (slow ? 8 : 24); seed += 1) {
        const { tokens } = await generate(tab.page, PROMPT, { maxTokens: 1, temperature: 5, topK: 4, topP: 1, seed });
        for (const id of tokens) drawn.add(id);
      }
      assert.ok([...drawn].every((id) => likely.includes(id)), `${[...drawn]} of ${likely}`);
      assert.ok(drawn.size > 1);
    });

    for (const options of [{ repetitionPenalty: 1.8 }, { frequencyPenalty: 1.5 }, { presencePenalty: 2 }, { repetitionPenalty: 1.3, frequencyPenalty: -0.5, presencePenalty: 0.5 }]) {
      it(`${Object.keys(options).join(', ')}: as computed from the logits`, async () => {
        // Tokens that are about as likely as each other, so that penalties decide.
        const logitBias: Record<number, number> = { 30: 80, 31: 79, 32: 78 };
        const { tokens } = await generate(tab.page, PROMPT, { maxTokens: 10, logitBias, ...options });
        let ids = PROMPT;
        for (const id of tokens) {
          const biased = (await logits(tab.page, ids)).map((value, other) => value + (logitBias[other] ?? 0));
          const expected = likeliest(penalised(biased, ids, options));
          assert.ok(expected.id === id || expected.margin < 1e-3, `after ${ids}: ${id}, expected ${expected.id}`);
          ids = [...ids, id];
        }
        assert.notDeepEqual(tokens, (await generate(tab.page, PROMPT, { maxTokens: 10, logitBias })).tokens);
      });
    }

    it('logitBias: -100 and -Infinity remove a token, +100 forces one', async () => {
      const { tokens } = await generate(tab.page, PROMPT, { maxTokens: 8 });
      const [first = -1] = tokens;
      const without = await generate(tab.page, PROMPT, { maxTokens: 8, temperature: 2, topK: 0, topP: 1, seed: 2, logitBias: { [first]: -100 } });
      assert.ok(!without.tokens.includes(first));
      const forbidden = await tab.page.evaluate(
        async (id) => (await model.generate([2, 10, 20], { maxTokens: 8, temperature: 0, logitBias: new Map([[id, -Infinity]]) })).tokens,
        first,
      );
      assert.ok(!forbidden.includes(first));
      assert.deepEqual((await generate(tab.page, PROMPT, { maxTokens: 3, logitBias: { 400: 100 } })).tokens, [400, 400, 400]);
    });

    it('seed: repeats a run; the one of a result does too', async () => {
      const hot = { maxTokens: 12, temperature: 1.5, topK: 0, topP: 1 };
      const first = await generate(tab.page, PROMPT, { ...hot, seed: 11 });
      assert.equal(first.seed, 11);
      assert.deepEqual((await generate(tab.page, PROMPT, { ...hot, seed: 11 })).tokens, first.tokens);
      const other = await generate(tab.page, PROMPT, hot);
      assert.notDeepEqual(other.tokens, first.tokens);
      assert.deepEqual((await generate(tab.page, PROMPT, { ...hot, seed: other.seed })).tokens, other.tokens);
    });

    it('stop: a text that begins in one token and ends two further on is found, and no part of it is told', async () => {
      const whole = await generate(tab.page, PROMPT, { maxTokens: 24, logprobs: 0 });
      const texts = (whole.logprobs ?? []).map(({ text }) => text);
      // The last character of one token, a whole one, the first character of the next; the first time such a text appears.
      const at = texts.findIndex((text, i) => i > 0 && [text, texts[i + 1], texts[i + 2]].every((t) => t && /^[ -~]+$/.test(t)));
      assert.ok(at > 0, JSON.stringify(texts));
      const stop = `${texts[at]?.slice(-1)}${texts[at + 1]}${texts[at + 2]?.slice(0, 1)}`;
      const expected = whole.text.slice(0, whole.text.indexOf(stop));
      assert.ok(whole.text.includes(stop));
      for (const given of [stop, ['never this one', stop]]) {
        const { result, pieces } = await tab.page.evaluate(async (text) => {
          const list: string[] = [];
          const generation = model.generate([2, 10, 20], { maxTokens: 24, temperature: 0, stop: text });
          for await (const piece of generation) list.push(piece);
          return { result: { ...(await generation) }, pieces: list };
        }, given as string);
        assert.deepEqual([result.text, result.finishReason], [expected, 'stop']);
        assert.equal(pieces.join(''), expected);
        assert.ok(result.tokens.length < whole.tokens.length);
      }
      // Text that might have begun a stop text is not lost.
      const almost = await generate(tab.page, PROMPT, { maxTokens: 24, stop: `${stop}\u0000` });
      assert.deepEqual([almost.text, almost.finishReason], [whole.text, 'length']);
    });

    it('logprobs: those of the model, whatever the sampling', async () => {
      const { tokens, logprobs, text } = await generate(tab.page, PROMPT, { maxTokens: 5, logprobs: 3, temperature: 4, seed: 5, presencePenalty: 1 });
      assert.equal(logprobs?.length, tokens.length);
      let ids = PROMPT;
      for (const { id, logprob, top } of logprobs ?? []) {
        const exact = logSoftmax(await logits(tab.page, ids));
        assert.ok(Math.abs(logprob - (exact[id] ?? Number.NaN)) < 2e-3, `${logprob}, expected ${exact[id]}`);
        const order = exact.map((value, other) => ({ value, id: other })).sort((a, b) => b.value - a.value);
        assert.equal(top.length, 3);
        top.forEach((one, index) => {
          assert.ok(Math.abs(one.logprob - (order[index]?.value ?? Number.NaN)) < 2e-3);
          assert.equal(typeof one.text, 'string');
        });
        ids = [...ids, id];
      }
      assert.deepEqual(ids.slice(3), tokens);
      assert.equal((await generate(tab.page, PROMPT, { maxTokens: 2, logprobs: 0 })).logprobs?.[0]?.top.length, 0);
      assert.equal((await generate(tab.page, PROMPT, { maxTokens: 2 })).logprobs, undefined);
      const pieces = await tab.page.evaluate(async () => {
        const list: { logprob?: number; top?: readonly unknown[] }[] = [];
        for await (const piece of model.generate([2, 10, 20], { maxTokens: 2, logprobs: 2 }).tokens) list.push(piece);
        return list;
      });
      assert.ok(pieces.every(({ logprob, top }) => (logprob ?? 1) <= 0 && top?.length === 2), text);
    });

    it('onPrefillProgress: chunk by chunk to the end', async () => {
      const reports = await tab.page.evaluate(async (ids) => {
        const list: { done: number; total: number }[] = [];
        await model.generate(ids, { maxTokens: 1, onPrefillProgress: (progress) => void list.push(progress) });
        return list;
      }, someIds(300));
      assert.ok(reports.length >= 5, JSON.stringify(reports));
      assert.ok(reports.every(({ done, total }, index) => total === 300 && done > (reports[index - 1]?.done ?? 0)), JSON.stringify(reports));
      assert.equal(reports.at(-1)?.done, 300);
    });

    it('cachePrompt: takes over what the prompts have in common, and only then', async () => {
      const ids = someIds(200);
      const plain = await generate(tab.page, ids, { maxTokens: 4 });
      assert.equal((await generate(tab.page, ids, { maxTokens: 4 })).usage.cachedTokens, 0);
      const again = await generate(tab.page, [...ids.slice(0, 150), 333, 334], { maxTokens: 4, cachePrompt: true });
      assert.equal(again.usage.cachedTokens, 150);
      const same = await generate(tab.page, ids, { maxTokens: 4, cachePrompt: true });
      assert.equal(same.usage.cachedTokens, 150);
      assert.deepEqual(same.tokens, plain.tokens);
    });

    it('overflow', async () => {
      assert.equal(await refused(tab.page, someIds(600), { maxTokens: 4 }), 'context_full');
      const ends = await generate(tab.page, someIds(500), { maxTokens: 100, logitBias: { 1: -100, 106: -100 } });
      assert.deepEqual([ends.finishReason, ends.usage.droppedTokens], ['length', 0]);
      assert.ok(ends.tokens.length >= 12 && ends.tokens.length <= 13, `${ends.tokens.length}`);
      const cut = await generate(tab.page, someIds(600), { maxTokens: 40, overflow: 'truncate', logitBias: { 1: -100, 106: -100 } });
      assert.equal(cut.tokens.length, 40);
      assert.ok(cut.usage.promptTokens + 40 <= 512 && cut.usage.droppedTokens === 600 - cut.usage.promptTokens, JSON.stringify(cut.usage));
      // With the prompt, more than the 512 positions of the context.
      const most = slow ? 240 : 600;
      const slid = await generate(tab.page, someIds(300), { maxTokens: most, overflow: 'slide', logitBias: { 1: -100, 106: -100 } });
      assert.equal(slid.tokens.length, most);
      assert.ok(slid.usage.droppedTokens > 0);
    });

    it('that is none, or wrong, is named before anything is computed', async () => {
      const seen = await tab.page.evaluate(async () => {
        const bad: [string, object][] = [
          ['signal', { signal: 'now' }],
          ['onToken', { onToken: 5 }],
          ['onPrefillProgress', { onPrefillProgress: {} }],
          ['template', { template: 'chatml' }],
          ['stop', { stop: '' }],
          ['stop', { stop: Array.from({ length: 17 }, String) }],
          ['stop', { stop: [5] }],
          ['logprobs', { logprobs: 21 }],
          ['overflow', { overflow: 'wrap' }],
          ['cachePrompt', { cachePrompt: 'yes' }],
          ['maxTokens', { maxTokens: 0 }],
        ];
        const found: [string, unknown, unknown][] = [];
        for (const [name, options] of bad) {
          await model.generate('a', options as never).then(
            () => found.push([name, 'accepted', '']),
            ({ code, details }) => found.push([name, code, details.option]),
          );
        }
        return found;
      });
      assert.equal(seen.length, 11);
      for (const [name, code, option] of seen) assert.deepEqual([code, option], ['invalid_option', name]);
    });
  });
});
