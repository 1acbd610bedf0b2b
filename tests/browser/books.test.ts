// GPU memory, counted a second time by the browser's own functions: every buffer is registered, none outlives its model, no object is
// created outside an error scope, and a GPU that runs out of memory is reported in time.

import assert from 'node:assert/strict';
import { after, before, beforeEach, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { inBothBrowsers, openPage } from './support/browsers.js';
import { CHAT, chatModels, someIds } from './support/tiny-model.js';
import { modelUrl, startSite } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

declare global {
  /** See page/books.js. */
  var books: { live: Map<unknown, number>; unscoped: string[]; uncaptured: string[]; devices: number; shortOf: number };
}

/** Growth that is allowed to a wasm memory after it has seen everything once: one page. */
const GROWTH = 64 << 10;

inBothBrowsers((browserName, start) => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;
  let problems: string[];
  let url: string;

  before(async () => {
    site = await startSite(chatModels());
    url = modelUrl(site, CHAT);
    browser = await start();
  });
  after(() => site.close());
  // In the page's own thread, because only there can tests replace the browser's functions.
  beforeEach(async () => {
    ({ page, problems } = await openPage(browser, `${site.url}/test/`));
    await page.evaluate(() => import(String('/test/books.js')));
  });

  const clean = async (): Promise<void> => {
    const seen = await page.evaluate(() => ({ unscoped: books.unscoped, uncaptured: books.uncaptured, live: books.live.size }));
    assert.deepEqual(seen, { unscoped: [], uncaptured: [], live: 0 });
    assert.deepEqual(problems, []);
  };

  it('memory() is the sum of what the browser was asked for, all through a conversation', async () => {
    const seen = await page.evaluate(async (address) => {
      const model = await gemmaWeb.loadGemma(address, { worker: false, contextLength: 256 });
      const sums: { what: string; told: number; live: number; parts: number }[] = [];
      const look = async (what: string): Promise<void> => {
        const { weights, kv, scratch, sessions, total } = await model.memory();
        sums.push({ what, told: total, parts: weights + kv + scratch + sessions, live: [...books.live.values()].reduce((sum, bytes) => sum + bytes, 0) });
      };
      await look('loaded');
      await model.generate([2, 10, 20], { maxTokens: 8, logprobs: 2 });
      await look('generated');
      const [one, two] = [model.session(), model.session()];
      for (const session of [one, two, one]) await session.send('more words', { maxTokens: 4 });
      await look('two sessions');
      const clone = await one.clone();
      const saved = await model.restore(await clone.save());
      await look('a clone and a saved one');
      for (const session of [one, two, clone, saved]) await session.dispose();
      await model.embed('more words');
      await model.score('more words');
      await look('measures');
      await model.bench({ promptTokens: 8, generatedTokens: 4, repetitions: 1, warmups: 0, roofline: false });
      await look('a benchmark');
      model.dispose();
      await new Promise((done) => setTimeout(done, 100));
      return sums;
    }, url);
    for (const { what, told, live, parts } of seen) {
      assert.ok(told > 0, what);
      assert.deepEqual([told, parts], [live, live], what);
    }
    await clean();
  });

  it('50 loads and 200 aborts leave nothing', async (context) => {
    const round = (): Promise<{ wasm: number[]; left: number[]; names: string[]; devices: number }> => page.evaluate(
      async (address, ids, idle) => {
        // Chromium's software GPU compiles for seconds. Kernels that do nothing are enough up to the first token.
        if (idle) await import(String('/test/workers/without-arithmetic.js'));
        const wasm: number[] = [];
        const left: number[] = [];
        const names = new Set<string>();
        for (let run = 0; run < 50; run += 1) {
          const model = await gemmaWeb.loadGemma(address, { worker: false, contextLength: 128, prefillChunk: 8, tuning: 'f32/1', selfTest: 'off' });
          for (let i = 0; i < 4; i += 1) {
            const stop = new AbortController();
            const abort = (): void => stop.abort();
            const options = { maxTokens: 100, logitBias: { 1: -100, 106: -100 }, signal: stop.signal };
            const when = i % 2 && !idle ? { onToken: abort } : { onPrefillProgress: abort };
            names.add(await model.generate(ids, { ...options, ...when }).then(() => 'resolved', ({ name }: Error) => name));
          }
          wasm.push((await model.stats()).wasmBytes);
          model.dispose();
          while (books.live.size > 0 && left.length < run + 200) await new Promise((done) => setTimeout(done, 10));
          left.push(books.live.size);
        }
        return { wasm, left, names: [...names], devices: books.devices };
      },
      url,
      someIds(24),
      browserName === 'chromium',
    );
    // The memory of wasm grows in steps. The largest load, when it comes, may take one; a leak takes one in every round.
    let grown = true;
    for (let n = 1; grown && n <= 3; n += 1) {
      const seen = await round();
      assert.deepEqual(seen.names, ['AbortError']);
      assert.equal(seen.devices, 50 * n);
      assert.deepEqual(seen.left.filter((live) => live > 0), []);
      const [early, late] = [seen.wasm[5] ?? 0, seen.wasm.at(-1) ?? Infinity];
      context.diagnostic(`round ${n}: wasm memory after 6 loads ${early} bytes, after 50 ${late}`);
      grown = late > early + GROWTH;
    }
    assert.ok(!grown, 'each of three rounds took more memory');
    await clean();
  });

  it('too little memory: how much was asked for and held, what to do, and nothing stays', async () => {
    const seen = await page.evaluate(async (address) => {
      const load = (): Promise<import('../../www/lib/index.js').Gemma> => gemmaWeb.loadGemma(address, { worker: false, contextLength: 256 });
      const outcomes: { code: string; message: string; details: Record<string, unknown>; live: number }[] = [];
      const sizes = new Set<number>();
      const model = await load();
      for (const bytes of books.live.values()) sizes.add(bytes);
      const { total } = await model.memory();
      model.dispose();
      const largest = [...sizes].sort((a, b) => b - a);
      for (const shortOf of [largest[0] ?? 0, 16]) {
        books.shortOf = shortOf;
        const { code, message, details } = await load().then(() => ({ code: 'loaded', message: '', details: {} }), (error) => error);
        await new Promise((done) => setTimeout(done, 100));
        outcomes.push({ code, message, details, live: books.live.size });
      }
      books.shortOf = Infinity;
      // The page still works.
      const again = await load();
      const { tokens } = await again.generate([2, 10, 20], { maxTokens: 4, temperature: 0 });
      again.dispose();
      await new Promise((done) => setTimeout(done, 100));
      return { outcomes, tokens: tokens.length, total };
    }, url);
    for (const { code, message, details, live } of seen.outcomes) {
      assert.equal(code, 'out_of_memory', message);
      assert.match(message, /smaller context or a smaller quantisation/);
      const { asked, held } = details as { asked: number; held: number };
      assert.ok(asked > 0 && asked <= seen.total && held >= 0 && held < seen.total, JSON.stringify(details));
      assert.equal(live, 0);
    }
    assert.equal(seen.tokens, 4);
    await clean();
  });

  it('too little memory for one more session: it waits without its KV cache, and the text is the same', async () => {
    const seen = await page.evaluate(async (address) => {
      const model = await gemmaWeb.loadGemma(address, { worker: false, contextLength: 256, kv: 'f32', tuning: 'f32/1' });
      const talk = async (short: boolean): Promise<{ texts: string[]; sessions: number; cached: number }> => {
        const [one, two] = [model.session(), model.session()];
        const say = (session: typeof one, text: string) => session.send(text, { maxTokens: 6, temperature: 0 });
        const texts = [(await say(one, 'more words')).text];
        if (short) books.shortOf = 1;
        texts.push((await say(two, 'other words')).text);
        const { sessions } = await model.memory();
        const last = await say(one, 'and more');
        books.shortOf = Infinity;
        await one.dispose();
        await two.dispose();
        return { texts: [...texts, last.text], sessions, cached: last.usage.cachedTokens };
      };
      const plenty = await talk(false);
      const short = await talk(true);
      model.dispose();
      await new Promise((done) => setTimeout(done, 100));
      return { plenty, short };
    }, url);
    assert.deepEqual(seen.short.texts, seen.plenty.texts);
    assert.ok(seen.plenty.sessions > 0 && seen.plenty.cached > 0);
    assert.deepEqual([seen.short.sessions, seen.short.cached], [0, 0]);
    await clean();
  });
});
