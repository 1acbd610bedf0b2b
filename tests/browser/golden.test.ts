// Every tiny model and every golden prompt through the public package, in both browsers.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Page } from 'puppeteer-core';
import { certainSteps, type Golden, tinyGoldens, worstDifference } from './support/goldens.js';
import { onTestPage, type Tab } from './support/setup.js';
import { shareDevice } from './support/shared-device.js';
import { tinyModels } from './support/site.js';

/** Largest difference of a logit from the exact one, with the reason. */
function tolerance(model: string, kv: 'f16' | 'f32'): number {
  // Rounding keys and values to f16 moves logits of these models by up to 0.02 (llama.cpp's f16 cache: 0.064).
  if (kv === 'f16') return 0.06;
  // Summing f32 in another order moves them by 2.4e-4; WGSL allows exp and tanh some error, which shows in soft caps.
  return /gemma[23]/.test(model) ? 2e-3 : 1e-3;
}

/** Logits of each prompt and a number of greedy tokens, computed in the page. */
function run(page: Page, url: string, kv: 'f16' | 'f32', prompts: readonly { ids: readonly number[]; steps: number }[]) {
  return page.evaluate(
    async (address, cache, asked) => {
      const model = await gemmaWeb.loadGemma(address, { kv: cache, tuning: 'f32/1', device: globalThis.device });
      const results: { logits: number[]; tokens: readonly number[]; finishReason: string }[] = [];
      for (const { ids, steps } of asked) {
        const logits = Array.from(await model.logits(ids));
        const none = { tokens: [], finishReason: 'length' };
        const { tokens, finishReason } = steps === 0 ? none : await model.generate(ids, { temperature: 0, maxTokens: steps });
        results.push({ logits, tokens, finishReason });
      }
      model.dispose();
      return results;
    },
    url,
    kv,
    prompts,
  );
}

const models = Object.keys(tinyModels());

// In Firefox each model has a worker and a device of its own, as on a web page; so it has in Chromium in all other files.
const ready = async ({ browserName, page }: Tab): Promise<void> => (browserName === 'chromium' ? shareDevice(page) : undefined);

onTestPage({ models: tinyModels, ready }, (tab) => {
  // The f32 cache with every model; f16, which differs in nothing but the cache, with one of each generation and shape. Natively
  // tests/engine/tiny_models.rs runs all of both.
  const ofEachShape = models.filter((model) => /q4_k_m|rs8/.test(model));
  for (const kv of ['f32', 'f16'] as const) {
    describe(`${kv} cache`, () => {
      for (const model of kv === 'f32' ? models : ofEachShape) {
        it(model, async (context) => {
          const goldens = tinyGoldens(model);
          assert.equal(goldens.length, 10);
          const limit = tolerance(model, kv);
          // Chromium's GPU here computes a tenth of Firefox's tokens a second. It continues the short prompts by a few tokens, with the
          // kernels of a longer text, and its logits after each prompt are compared all the same.
          const slow = tab.browserName === 'chromium';
          const most = ({ ids }: Golden): number => (slow ? (ids.length > 20 ? 0 : 4) : Number.POSITIVE_INFINITY);
          const prompts = goldens.map((golden) => ({ ids: golden.ids, steps: Math.min(certainSteps(golden, limit), most(golden)) }));
          const results = await run(tab.page, tab.url(model), kv, prompts);
          let compared = 0;
          let worst = 0;
          goldens.forEach(({ name, logits, greedy }, index) => {
            const found = results[index];
            const steps = prompts[index]?.steps ?? 0;
            assert.ok(found);
            const difference = worstDifference(found.logits, logits);
            assert.ok(difference <= limit, `${name}: a logit is ${difference} off, allowed ${limit}`);
            // Generation ends at an end token, which the goldens run past.
            const length = found.finishReason === 'stop' ? found.tokens.length : steps;
            assert.deepEqual(found.tokens, greedy.slice(0, length), name);
            compared += length;
            worst = Math.max(worst, difference);
          });
          assert.ok(compared > 0, 'no greedy token was compared');
          context.diagnostic(`${tab.browserName}, ${model}, ${kv}: worst logit ${worst.toExponential(1)}, ${compared} greedy tokens`);
        });
      }
    });
  }
});

describe('the comparison', () => {
  const exact = Float32Array.of(1, 2, 3);
  it('sees a difference, NaN and a missing row', () => {
    assert.equal(worstDifference([1, 2, 3], exact), 0);
    assert.ok(worstDifference([1, 2.5, 3], exact) >= 0.5);
    assert.equal(worstDifference([1, Number.NaN, 3], exact), Number.POSITIVE_INFINITY);
    assert.throws(() => worstDifference([1, 2], exact));
  });
  it('stops before the first step that may flip', () => {
    assert.equal(certainSteps({ margins: [1, 0.5, 0.1, 1] }, 0.06), 2);
    assert.equal(certainSteps({ margins: [1, 0.5] }, 0.06), 2);
  });
});
