// A long conversation that slides through its context: memory stays constant, and the results do not drift from those of a fresh prefill
// of the same tokens.
// Runs beside others: its clock is only reported.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { withModel } from './support/setup.js';
import { CHAT } from './support/tiny-model.js';

const TURNS = 40;
/** Tokens of a turn. */
const TOKENS = 50;
const CONTEXT = 256;
/** Twice the error of a logit of these models with an f32 cache: if two logits are nearer to each other, either token may come first. */
const NEAR = 4e-3;
const N_TOKENS = TURNS * TOKENS;

withModel(CHAT, { contextLength: CONTEXT }, (tab) => {
  it(`${N_TOKENS} tokens over ${TURNS} turns`, async (context) => {
    const begin = Date.now();
    const found = await tab.page.evaluate(
      async (turns, tokens) => {
        const session = model.session();
        // Random weights tend to repeat one token for ever, and no token ends the answer.
        const options = { temperature: 0, frequencyPenalty: 1, overflow: 'slide', maxTokens: tokens } as const;
        const says = { generated: 0, dropped: 0, bytes: [] as number[], wasm: [] as number[] };
        for (let turn = 0; turn < turns; turn += 1) {
          // The next turn continues an answer that ends earlier.
          const { usage } = await session.send(`Turn ${turn}: and then?`, { ...options, logitBias: { 1: -100, 106: -100 } });
          says.generated += usage.completionTokens;
          says.dropped += usage.droppedTokens;
          says.bytes.push((await model.memory()).total);
          says.wasm.push((await model.stats()).wasmBytes);
        }
        const last = await session.send('And in the end?', { ...options, maxTokens: 8, logprobs: 2 });
        // In front of the cache, a saved session has the ids that are in it.
        const blob = await session.save();
        const length = new DataView(await blob.slice(0, 24).arrayBuffer()).getUint32(12, true);
        const { ids } = JSON.parse(await blob.slice(24, 24 + length).text()) as { ids: number[] };
        const prompt = ids.slice(0, last.usage.promptTokens);
        const fresh = await model.generate(prompt, { ...options, maxTokens: 8, cachePrompt: false, logprobs: 2 });
        await session.dispose();
        return { ...says, ids, prompt, last: { ...last }, fresh: { ...fresh } };
      },
      TURNS,
      TOKENS,
    );
    context.diagnostic(`${tab.browserName}: ${found.generated} tokens, ${found.dropped} dropped, in ${((Date.now() - begin) / 1000).toFixed(0)} s`);
    assert.equal(found.generated, N_TOKENS);
    assert.ok(found.dropped > N_TOKENS - CONTEXT, `${found.dropped} tokens were dropped`);
    assert.equal(new Set(found.bytes.slice(2)).size, 1, `GPU memory: ${found.bytes.join()}`);
    assert.equal(new Set(found.wasm.slice(TURNS / 2)).size, 1, `wasm memory: ${found.wasm.join()}`);
    // The cache holds all tokens of the last answer but the last.
    const { last, fresh, prompt, ids } = found;
    assert.deepEqual(ids.slice(prompt.length), last.tokens.slice(0, ids.length - prompt.length), 'the prompt is what stands before the answer');
    assert.equal(fresh.usage.cachedTokens, 0, 'nothing was taken over');
    const at = last.tokens.findIndex((id, step) => id !== fresh.tokens[step]);
    if (at >= 0) {
      const [first, second] = last.logprobs?.[at]?.top ?? [];
      assert.ok(first && second && first.logprob - second.logprob < NEAR, `step ${at}: ${last.tokens.join()} drifted from ${fresh.tokens.join()}`);
    }
  });
});
