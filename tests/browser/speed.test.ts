// The speed of bytes through the package, against a plain copy of the same bytes right before: Gemma 3 270M from the cache and from a
// server on this machine. The kernels do nothing, so that compiling them takes no processor time.
// Runs alone: it measures bytes a second.

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { inBothBrowsers } from './support/browsers.js';
import { clearCache, openWithWorker } from './support/loads.js';
import { modelUrl, realModel, startSite } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

const RUNS = Number(process.env['GEMMA_WEB_SPEED_RUNS'] ?? 1);
/** Far below the speed on an idle machine, so that a test that runs beside others does not fail. */
const LEAST = 0.15;
// The vocabulary takes 116 MB of it while its merges are made.
const WASM_BYTES = 256e6;

const file = realModel();
const skip = file === undefined && !process.env['CI'] ? 'GEMMA_WEB_MODEL is not set' : false;

/** One load, in milliseconds: all of it, the wait for bytes, and a plain copy before it; and the engine's memory. */
interface Run {
  readonly all: number;
  readonly read: number;
  readonly copy: number;
  readonly wasm: number;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

inBothBrowsers((browserName, start) => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;
  let url: string;
  let bytes: number;

  before(async () => {
    if (skip) return;
    assert.ok(file, 'GEMMA_WEB_MODEL is not set');
    site = await startSite({ 'gemma-3-270m.gguf': file });
    url = modelUrl(site, 'gemma-3-270m.gguf');
    browser = await start();
    page = await openWithWorker(browser, site.url, 'idle-kernels');
  });
  after(() => site?.close());

  const copied = (what: { id: string } | { url: string }): Promise<number> =>
    page.evaluate(
      (message) =>
        new Promise<number>((resolve) => {
          // The page's Worker is one that starts idle-kernels.js.
          const worker = new (Object.getPrototypeOf(Worker) as typeof Worker)('/test/workers/copy.js');
          worker.onmessage = ({ data }: MessageEvent<number>) => {
            worker.terminate();
            resolve(data);
          };
          worker.postMessage(message);
        }),
      what,
    );
  const loaded = (cache: boolean): Promise<{ all: number; read: number; bytes: number; id: string; wasm: number }> =>
    page.evaluate(
      async (address, keep) => {
        const begin = performance.now();
        let total = 0;
        const onProgress = (progress: { total: number | null }): void => void (total = progress.total ?? 0);
        const model = await gemmaWeb.loadGemma(address, { cache: keep, onProgress, tuning: 'f32/1', contextLength: 512, selfTest: 'off' });
        const all = performance.now() - begin;
        const { readMs, wasmBytes } = await model.stats();
        const outcome = model.info.cache;
        model.dispose();
        return { all, read: readMs, bytes: total, id: outcome.stored ? (outcome.ids[0] ?? '') : '', wasm: wasmBytes };
      },
      url,
      cache,
    );
  const told = (what: string, runs: readonly Run[]): { text: string; ratio: number } => {
    const speed = (pick: (run: Run) => number): number => bytes / 1e3 / median(runs.map(pick));
    const ratio = median(runs.map(({ copy, read }) => copy / read));
    const text =
      `${browserName}, ${what}: ${speed(({ read }) => read).toFixed(0)} MB/s, a plain copy ${speed(({ copy }) => copy).toFixed(0)} MB/s ` +
      `(${(100 * ratio).toFixed(0)} %), the whole load ${(median(runs.map(({ all }) => all)) / 1e3).toFixed(2)} s, ` +
      `${(Math.max(...runs.map(({ wasm }) => wasm)) / 1e6).toFixed(0)} MB of wasm memory; median of ${runs.length}`;
    return { text, ratio };
  };

  it('from a server, kept and not kept', { skip }, async (context) => {
    for (const cache of [false, true]) {
      const runs: Run[] = [];
      for (let left = RUNS; left > 0; left -= 1) {
        await clearCache(page);
        const copy = await copied({ url });
        const run = await loaded(cache);
        bytes = run.bytes;
        assert.ok(run.wasm < WASM_BYTES, `the wasm memory grew to ${run.wasm} bytes`);
        runs.push({ ...run, copy });
      }
      const { text, ratio } = told(cache ? 'from a server, kept' : 'from a server, not kept', runs);
      context.diagnostic(text);
      assert.ok(ratio > LEAST / 2, text);
    }
  });

  it('from the cache', { skip }, async (context) => {
    const { id } = await loaded(true);
    const runs: Run[] = [];
    for (let left = RUNS; left > 0; left -= 1) {
      const copy = await copied({ id });
      runs.push({ ...(await loaded(true)), copy });
    }
    const { text, ratio } = told('from the cache', runs);
    context.diagnostic(text);
    assert.ok(ratio > LEAST, text);
    const begin = performance.now();
    await page.evaluate((entry) => gemmaWeb.cache.verify(entry), id);
    context.diagnostic(`${browserName}: verified in ${(performance.now() - begin).toFixed(0)} ms`);
  });
});
