// The memory of JavaScript during a load, through the protocol of Chromium's own tools: only it reports the heap of a worker.
// Runs alone: it samples memory while a load runs.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { WebWorker } from 'puppeteer-core';
import { launchWithDevtools, missing } from './support/browsers.js';
import { modelUrl, realModel, startSite } from './support/site.js';

const JS_BYTES = 64e6;
const WASM_BYTES = 256e6;

const file = realModel();
const skip = missing('chromium') || (file === undefined && !process.env['CI'] ? 'GEMMA_WEB_MODEL is not set' : false);

/** Objects, the browser's own part of them, and buffers; the wasm memory is counted elsewhere. */
interface HeapUsage {
  readonly usedSize: number;
  readonly embedderHeapUsedSize: number;
  readonly backingStorageSize: number;
}

/** Measures a worker's heap repeatedly until the worker has ended; calls `hear` with each size. */
async function watchHeap(worker: WebWorker, hear: (bytes: number) => void): Promise<void> {
  try {
    for (;;) {
      const usage = (await worker.client.send('Runtime.getHeapUsage')) as HeapUsage;
      hear(usage.usedSize + usage.embedderHeapUsedSize + usage.backingStorageSize);
      await new Promise((done) => setTimeout(done, 20));
    }
  } catch {
    // The worker has ended.
  }
}

it('a load takes less than 64 MB of JavaScript and 256 MB of wasm memory', { skip }, async (context) => {
  assert.ok(file, 'GEMMA_WEB_MODEL is not set');
  const site = await startSite({ 'gemma-3-270m.gguf': file });
  const browser = await launchWithDevtools();
  try {
    const page = await browser.newPage();
    const seen = { samples: 0, peak: 0 };
    page.on('workercreated', (worker) => {
      void watchHeap(worker, (bytes) => {
        seen.samples += 1;
        seen.peak = Math.max(seen.peak, bytes);
      });
    });
    await page.goto(`${site.url}/test/`, { waitUntil: 'load' });
    for (const cache of [false, true]) {
      [seen.samples, seen.peak] = [0, 0];
      const wasm = await page.evaluate(
        async (url, keep) => {
          const model = await gemmaWeb.loadGemma(url, { cache: keep, contextLength: 256, tuning: 'int8/1' });
          const { wasmBytes } = await model.stats();
          model.dispose();
          return wasmBytes;
        },
        modelUrl(site, 'gemma-3-270m.gguf'),
        cache,
      );
      const kept = cache ? 'kept' : 'not kept';
      context.diagnostic(`${kept}: ${(seen.peak / 1e6).toFixed(0)} MB of JavaScript in ${seen.samples} samples, ${(wasm / 1e6).toFixed(0)} MB of wasm`);
      assert.ok(seen.samples > 10, `${seen.samples} samples`);
      assert.ok(seen.peak > 0 && seen.peak < JS_BYTES, `${seen.peak} bytes of JavaScript`);
      assert.ok(wasm < WASM_BYTES, `${wasm} bytes of wasm`);
    }
  } finally {
    await browser.close();
    await site.close();
  }
});
