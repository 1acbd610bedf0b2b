// A synthetic model of full size, made in the worker: it loads without a request and generates in both browsers.
// Runs alone: its largest model takes 5 GB of memory.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onTestPage } from './support/setup.js';

const NAME = 'synthetic:gemma-3-270m:q4_0';
// As `gemma synth` writes it.
const BYTES = 240_208_352;

onTestPage({}, (tab) => {
  it('loads and generates without a download', async (context) => {
    const { result, stats, info, last, loadMs } = await tab.page.evaluate(async (name) => {
      const begin = performance.now();
      const seen: { loaded: number; total: number | null }[] = [];
      const model = await gemmaWeb.loadGemma(name, { contextLength: 64, onProgress: (progress) => void seen.push(progress) });
      const loaded = performance.now() - begin;
      const generated = await model.generate('hello', { maxTokens: 2, temperature: 0 });
      const all = { result: generated, stats: await model.stats(), info: model.info, last: seen.at(-1), loadMs: loaded };
      model.dispose();
      return all;
    }, NAME);
    context.diagnostic(
      `${tab.browserName}: loaded in ${(loadMs / 1000).toFixed(1)} s, tokenizer ${stats.tokenizerMs.toFixed(0)} ms, ` +
        `wasm ${(stats.wasmBytes / 1e6).toFixed(0)} MB, decode ${result.timings.decodePerSecond.toFixed(2)} tokens/s`,
    );
    assert.equal(result.tokens.length, 2);
    assert.equal(last?.loaded, BYTES);
    assert.equal(last?.total, BYTES);
    assert.equal(info.config.nVocab, 262_144);
    assert.ok(stats.wasmBytes < 200e6, `the wasm memory grew to ${stats.wasmBytes} bytes`);
  });

  it('of five gigabytes takes what was planned on the GPU, and little beside it', async (context) => {
    const { plan, stats, loadMs } = await tab.page.evaluate(async () => {
      const begin = performance.now();
      const options = { contextLength: 512 };
      const inspection = await gemmaWeb.inspect('synthetic:gemma-7b:q4_0', options);
      const model = await gemmaWeb.loadGemma('synthetic:gemma-7b:q4_0', options);
      const all = { plan: inspection.memory, stats: await model.stats(), loadMs: performance.now() - begin };
      model.dispose();
      return all;
    });
    const { weights, kv, scratch } = stats.gpuBytes;
    context.diagnostic(
      `${tab.browserName}: ${((weights + kv + scratch) / 1e9).toFixed(1)} GB in ${(loadMs / 1000).toFixed(1)} s, ` +
        `wasm ${(stats.wasmBytes / 1e6).toFixed(0)} MB`,
    );
    assert.deepEqual([weights, kv, scratch], [plan.weights, plan.kv, plan.scratch]);
    assert.ok(plan.total > 5e9);
    assert.equal(plan.verdict.kind, 'fits');
    assert.ok(stats.wasmBytes < 256e6, `the wasm memory grew to ${stats.wasmBytes} bytes`);
  });

  it('is inspected without being made', async () => {
    const plan = await tab.page.evaluate(() => gemmaWeb.inspect('synthetic:gemma-7b:q8_0'));
    // Nine gigabytes of weights are known to the byte from 5 MB of header.
    assert.ok(JSON.stringify(plan).includes('gemma-7b:q8_0'), JSON.stringify(plan).slice(0, 500));
  });

  it('names the shapes there are when another is asked for', async () => {
    const error = await tab.page.evaluate(async () => {
      try {
        await gemmaWeb.loadGemma('synthetic:gemma-9t:q4_0');
        return undefined;
      } catch (thrown) {
        const { code, message } = thrown as { code: string; message: string };
        return { code, message };
      }
    });
    assert.equal(error?.code, 'invalid_option');
    assert.match(error.message, /gemma-3-270m/);
  });
});
