// The self-test of kernels during a load, and logits that are not finite, through the public API.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import type { GemmaError, LoadOptions, Variants } from '../../www/lib/index.js';
import { withNaN } from './support/gguf.js';
import { onTestPage } from './support/setup.js';
import { TINY, tinyModels } from './support/site.js';
import type { ServerOptions } from '../../www/tools/serve.mjs';

const MODEL = 'tiny-gemma3-q8_0.gguf';
const OPTIONS: LoadOptions = { tuning: 'int8/1', kv: 'f16', contextLength: 64 };

const broken = withNaN(join(TINY, MODEL), 'blk.0.attn_norm.weight');
const serveBroken: ServerOptions['intercept'] = (request, response) => {
  if (!request.url?.endsWith('/nan.gguf')) return false;
  response.writeHead(200, { 'Content-Length': broken.length }).end(broken);
  return true;
};

onTestPage({ models: tinyModels, intercept: serveBroken, problems: true }, (tab) => {
  /** The variants of a load, the counters until then, and the first tokens. */
  const load = (selfTest?: LoadOptions['selfTest']): Promise<{ variants: Variants; dispatches: number; tokens: readonly number[] }> =>
    tab.page.evaluate(
      async (url, options) => {
        const model = await gemmaWeb.loadGemma(url, options as LoadOptions);
        const { dispatches } = await model.stats();
        const { tokens } = await model.generate([2, 10, 20], { maxTokens: 4, temperature: 0 });
        model.dispose();
        return { variants: model.info.variants, dispatches, tokens };
      },
      tab.url(MODEL),
      { ...OPTIONS, selfTest } as LoadOptions & { signal: never; template: never },
    );

  it('all kernels are compared once, and not again where they passed before', async () => {
    const first = await load();
    const { kernels, selfTest, replaced } = first.variants;
    console.log(`      ${selfTest.tested} kernels in ${selfTest.ms.toFixed(0)} ms`);
    assert.deepEqual([first.variants.arithmetic, first.variants.lanes, first.variants.kv, replaced], ['int8', 1, 'f16', []]);
    assert.ok(kernels.length >= 12 && kernels.includes('sample') && kernels.some((name) => name.startsWith('matmul')), kernels.join());
    assert.deepEqual([selfTest.tested, selfTest.known], [kernels.length, 0]);

    const again = await load();
    assert.deepEqual([again.variants.selfTest.tested, again.variants.selfTest.known], [0, kernels.length]);
    assert.ok(again.dispatches < first.dispatches, `${again.dispatches}, before ${first.dispatches}`);
    const full = await load('full');
    assert.deepEqual([full.variants.selfTest.tested, full.variants.selfTest.known], [kernels.length, 0]);
    assert.equal(full.dispatches, first.dispatches);
    const off = await load('off');
    assert.deepEqual([off.variants.selfTest.tested, off.variants.selfTest.known], [0, 0]);
    assert.equal(off.dispatches, again.dispatches);
    for (const other of [again, full, off]) assert.deepEqual(other.tokens, first.tokens);
    // A load without a test forgets nothing.
    assert.equal((await load('fast')).variants.selfTest.known, kernels.length);
  });

  it('what is kept, damaged: all are compared again', async () => {
    await tab.page.evaluate(async () => {
      const file = await (await navigator.storage.getDirectory()).getFileHandle('gemma-web-tuning.json');
      const text = await (await file.getFile()).text();
      const writable = await file.createWritable();
      await writable.write(text.replace(/"tested":"[^"]*"/, '"tested":"?\\nx\\n1 2\\n"'));
      await writable.close();
    });
    const { variants } = await load();
    assert.equal(variants.selfTest.tested, variants.kernels.length);
  });

  it('a value that only looks like one of the option: invalid_option', async () => {
    await assert.rejects(load('quick' as never), /invalid|selfTest|quick|variant/);
  });

  it('a weight that is no number: numeric_error, and no text', async () => {
    const seen = await tab.page.evaluate(
      async (url, options) => {
        const model = await gemmaWeb.loadGemma(url, options as LoadOptions);
        const outcomes: { code: string; position: unknown; text: string }[] = [];
        for (const more of [{ temperature: 0 }, { temperature: 1, seed: 3 }, { temperature: 0, logprobs: 2 }]) {
          let text = '';
          try {
            const running = model.generate([2, 10, 20], { maxTokens: 4, ...more });
            for await (const piece of running) text += piece;
            outcomes.push({ code: 'none', position: 0, text });
          } catch (error) {
            const { code, details } = error as GemmaError;
            outcomes.push({ code, position: details['position'], text });
          }
        }
        model.dispose();
        return outcomes;
      },
      `${tab.site.url}/models/nan.gguf`,
      OPTIONS as LoadOptions & { signal: never; template: never },
    );
    assert.deepEqual(seen, Array.from({ length: 3 }, () => ({ code: 'numeric_error', position: 3, text: '' })));
  });
});
