// Loads and downloads of a model in a page, with everything that tests check of them.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import type { CacheEntry, CacheOutcome, GemmaError, LoadProgress } from '../../../www/lib/index.js';
import { type BrowserName, openPage } from './browsers.js';
import { tinyGoldens } from './goldens.js';
import { TINY } from './site.js';
import { spreadOut } from './gguf.js';

export const CHUNK = 4 << 20;
export const MODEL = 'tiny-gemma1-mha-q4_0.gguf';
// The quickest to compile on a software GPU. Its rounding changes none of these steps of the exact text, with room to spare.
// No self-test: kernels that do nothing would fail it.
const OPTIONS = { tuning: 'int8/1', kv: 'f32', contextLength: 64, selfTest: 'off' } as const;
const STEPS = 12;

/** A tiny model of about `size` bytes. */
export const spreadModel = (size: number): Buffer => spreadOut(join(TINY, MODEL), size);

const [golden] = tinyGoldens(MODEL);
assert.ok(golden);
const expected = golden.greedy.slice(0, STEPS);

/** The outcome of a load. */
export interface Outcome {
  readonly error: { readonly name: string; readonly code: string; readonly message: string; readonly details: Readonly<Record<string, unknown>> } | null;
  readonly tokens: readonly number[];
  readonly cache: CacheOutcome | null;
  readonly progress: readonly (LoadProgress & { readonly at: number })[];
  readonly ms: number;
}

/** A source as it can be sent to a page: itself, or a recipe that makes it from the bytes at addresses. */
export type Given = string | { kind: string; urls: readonly string[] } | object;

/** Loads a model in the page and continues a text with it. */
export function load(page: Page, source: Given, options: Record<string, unknown> = {}): Promise<Outcome> {
  return page.evaluate(
    async (given, more, ids, maxTokens) => {
      const begin = performance.now();
      const progress: (LoadProgress & { at: number })[] = [];
      const onProgress = (report: LoadProgress): void => void progress.push({ ...report, at: performance.now() - begin });
      try {
        const model = await gemmaWeb.loadGemma(await makeSource(given), { ...more, onProgress });
        const ms = performance.now() - begin;
        const { tokens } = await model.generate(ids, { maxTokens, temperature: 0 });
        model.dispose();
        return { error: null, tokens, cache: model.info.cache, progress, ms };
      } catch (thrown) {
        const { name, code, message, details } = thrown as Partial<GemmaError> & Error;
        return { error: { name, code: String(code), message, details: details ?? {} }, tokens: [], cache: null, progress, ms: performance.now() - begin };
      }
    },
    source,
    { ...OPTIONS, ...options },
    golden?.ids ?? [],
    STEPS,
  );
}

/** Asserts that the model was loaded, that its weights are right, and that its progress was as documented. */
export function assertRight({ error, tokens, progress }: Outcome): void {
  assert.equal(error, null, JSON.stringify(error));
  assert.deepEqual(tokens, expected, 'the text is that of the exact result');
  assertProgress(progress);
  assert.equal(progress.at(-1)?.phase, 'ready');
}

/** The outcome of a download: the hash of the stored file, or an error. */
export interface Download extends Pick<Outcome, 'error' | 'progress' | 'ms'> {
  readonly sha1: string;
}

export const sha1 = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex');

/** Loads a model into the cache, and hashes the stored file: the engine reads what is stored, chunk by chunk. */
export function download(page: Page, source: Given): Promise<Download> {
  return page.evaluate(
    async (given, options) => {
      const begin = performance.now();
      const progress: (LoadProgress & { at: number })[] = [];
      const onProgress = (report: LoadProgress): void => void progress.push({ ...report, at: performance.now() - begin });
      try {
        const model = await gemmaWeb.loadGemma(await makeSource(given), { ...options, onProgress });
        const ms = performance.now() - begin;
        model.dispose();
        const { cache } = model.info;
        if (!cache.stored) throw new Error(`it is not stored: ${cache.why}`);
        const hash = await crypto.subtle.digest('SHA-1', await (await gemmaWeb.cache.export(cache.ids[0] ?? '')).arrayBuffer());
        const hex = [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
        return { error: null, sha1: hex, progress, ms };
      } catch (thrown) {
        const { name, code, message, details } = thrown as Partial<GemmaError> & Error;
        return { error: { name, code: String(code), message, details: details ?? {} }, sha1: '', progress, ms: performance.now() - begin };
      }
    },
    source,
    OPTIONS,
  );
}

/** Asserts that a download gave a file with this hash. */
export function assertStored({ error, sha1: found, progress }: Download, expectedSha1: string): void {
  assert.equal(error, null, JSON.stringify(error));
  assert.equal(found, expectedSha1);
  assertProgress(progress);
  assert.equal(progress.at(-1)?.phase, 'ready');
}

/** The test page, which from now on starts another script in place of the package's worker: one in page/workers. */
export async function openWithWorker(browser: Browser, url: string, script: string): Promise<Page> {
  const { page } = await openPage(browser, `${url}/test/`);
  await page.evaluate((path) => {
    const Original = Worker;
    globalThis.Worker = class extends Original {
      constructor(asked: string | URL, options?: WorkerOptions) {
        super(options?.name === 'gemma-web' ? path : asked, options);
      }
    };
  }, `/test/workers/${script}.js`);
  return page;
}

/**
 * A page for tests that are about bytes. Chromium's GPU here is a program that takes seconds to compile the kernels, and holds up the end
 * of workers meanwhile; there the kernels do nothing.
 */
export async function openForBytes(browser: Browser, name: BrowserName, url: string): Promise<Page> {
  if (name === 'chromium') return openWithWorker(browser, url, 'idle-kernels');
  return (await openPage(browser, `${url}/test/`)).page;
}

/** Asserts that progress is in order, never goes backwards, and does not come too often. */
export function assertProgress(progress: Outcome['progress']): void {
  const order = ['waiting', 'header', 'weights', 'ready'];
  for (const [index, { phase, loaded, total, cached, bytesPerSecond, etaSeconds }] of progress.entries()) {
    const last = progress[index - 1];
    assert.ok(order.includes(phase), phase);
    assert.ok(total === null || loaded <= total, `${loaded} of ${total}`);
    assert.ok(cached <= loaded && bytesPerSecond >= 0 && (etaSeconds === null || etaSeconds >= 0));
    if (last) assert.ok(order.indexOf(phase) >= order.indexOf(last.phase) && loaded >= last.loaded, JSON.stringify([last, progress[index]]));
  }
  const [first, final] = [progress[0], progress.at(-1)];
  const seconds = first && final ? (final.at - first.at) / 1000 : 0;
  assert.ok(progress.length <= 10 * seconds + 6, `${progress.length} reports in ${seconds.toFixed(1)} s`);
}

/** Asserts that a load failed with this code, and gives the error's details. */
export function assertError({ error }: Pick<Outcome, 'error'>, code: string): Readonly<Record<string, unknown>> {
  assert.ok(error, 'the model was loaded');
  assert.equal(error.code, code, error.message);
  assert.equal(error.name, 'GemmaError');
  return error.details;
}

/** The cache's entry for an address. */
export async function entryOf(page: Page, url: string): Promise<CacheEntry | undefined> {
  const entries = await page.evaluate(() => gemmaWeb.cache.list());
  return entries.find((entry) => entry.url === url);
}

/** Empties the cache once the workers of aborted loads are gone. */
export function clearCache(page: Page): Promise<void> {
  return page.evaluate(async () => {
    while ((await navigator.locks.query()).held?.length) await new Promise((done) => setTimeout(done, 20));
    await gemmaWeb.cache.clear();
  });
}
