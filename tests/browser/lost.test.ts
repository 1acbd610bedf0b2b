// A GPU that is taken away, and one that is given back: nothing but time is lost.
// Runs alone: it counts losses within a minute, and a model is loaded again after each.

import assert from 'node:assert/strict';
import { after, before, beforeEach, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import type { DeviceLoss, LoadOptions } from '../../www/lib/index.js';
import { inBothBrowsers } from './support/browsers.js';
import { CHAT, chatModels } from './support/tiny-model.js';
import { openWithWorker } from './support/loads.js';
import { modelUrl, startSite } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

// Globals of the page of these tests.
declare global {
  /** Destroys all devices of the worker. */
  var lose: () => void;
  /** The fates of the devices that are created next; they are kept if the list is empty. */
  var fates: ('keep' | 'destroy')[];
  var made: number;
  var losses: DeviceLoss[];
  var phases: string[];
}

const OPTIONS: LoadOptions = { kv: 'f32', tuning: 'f32/1', contextLength: 256 };

inBothBrowsers((name, start) => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;
  let url: string;

  before(async () => {
    site = await startSite(chatModels());
    url = modelUrl(site, CHAT);
    browser = await start();
    page = await openWithWorker(browser, site.url, 'losing');
    await page.evaluate(() => {
      const channel = new BroadcastChannel('gpu');
      channel.onmessage = () => {
        globalThis.made += 1;
        channel.postMessage(globalThis.fates.shift() ?? 'keep');
      };
      globalThis.lose = () => channel.postMessage('lose');
    });
  });
  after(() => site.close());
  beforeEach(() => page.evaluate(() => void Object.assign(globalThis, { fates: [], made: 0, losses: [], phases: [] })));

  /** Loads a model as the page's own, in place of the last, from an address or a source of tests/browser/page/sources.js. */
  const load = (source: unknown, options: LoadOptions = {}): Promise<void> =>
    page.evaluate(
      async (from, given) => {
        globalThis.model?.dispose();
        globalThis.model = await gemmaWeb.loadGemma(await makeSource(from), {
          ...given,
          onDeviceLost: (loss) => void losses.push(loss),
          onProgress: ({ phase }) => void (phases.at(-1) === phase || phases.push(phase)),
        });
      },
      source,
      { ...OPTIONS, ...options } as LoadOptions & { signal: never; template: never },
    );

  it('a generation goes on with the same tokens, and sessions go on', async () => {
    await load({ kind: 'object', urls: [url] });
    // Chromium's GPU here computes a tenth of Firefox's tokens a second. The loss comes at the fourth token, a few are under way.
    const seen = await page.evaluate(async (maxTokens) => {
      const options = { maxTokens, temperature: 1, seed: 5, logitBias: { 1: -100, 106: -100 } };
      const short = { ...options, maxTokens: 6, temperature: 0 };
      const play = async (interrupt: (count: number) => void): Promise<unknown[]> => {
        const [a, b] = [model.session({ system: 'Be brief.' }), model.session()];
        const first = [(await a.send('one', short)).text, (await b.send('two', short)).text];
        let count = 0;
        const running = model.generate([2, 10, 20], { ...options, onToken: () => interrupt((count += 1)) });
        let text = '';
        for await (const piece of running) text += piece;
        const result = await running;
        const then = await a.send('three', short);
        const last = (await b.send('four', short)).text;
        return [first, text, result.text, result.tokens, result.finishReason, count, then.text, last, a.history.length];
      };
      const whole = await play(() => undefined);
      const cut = await play((count) => void (count === 4 && lose()));
      return { whole, cut, made, losses, phases, held: (await model.memory()).total };
    }, name === 'chromium' ? 40 : 100);
    assert.deepEqual(seen.cut, seen.whole);
    assert.equal(seen.made, 2);
    assert.deepEqual(seen.losses.map(({ attempt }) => attempt), [1]);
    assert.ok((seen.losses[0]?.why.length ?? 0) > 0);
    assert.deepEqual(seen.phases, ['header', 'weights', 'ready', 'header', 'weights', 'ready']);
    assert.ok(seen.held > 0);
  });

  it('sleep frees everything; the next call wakes the model, and the text is the same', async () => {
    const seen = await page.evaluate(async () => {
      const options = { maxTokens: 12, temperature: 0 };
      const chat = model.session();
      const texts = [(await model.generate([2, 10, 20], options)).text];
      await chat.send('one', options);
      const before = await model.memory();
      await model.sleep();
      await model.sleep();
      const asleep = await model.memory();
      const ids = await model.tokenize('one two');
      const still = (await model.memory()).total;
      texts.push((await model.generate([2, 10, 20], options)).text);
      const { usage } = await chat.send('two', options);
      await chat.dispose();
      return { texts, before: before.total, asleep, ids: ids.length, still, cached: usage.cachedTokens, made, losses, phases };
    });
    assert.ok(seen.before > 0 && seen.ids > 0);
    assert.deepEqual(seen.asleep, { weights: 0, kv: 0, scratch: 0, sessions: 0, total: 0 });
    assert.equal(seen.still, 0);
    assert.equal(seen.texts[1], seen.texts[0]);
    assert.equal(seen.cached, 0);
    assert.deepEqual([seen.made, seen.losses.length], [1, 0]);
    assert.deepEqual(seen.phases, ['header', 'weights', 'ready']);
  });

  it('a load whose device is lost begins anew; lost three times within a minute a call is given up, and the next one succeeds', async () => {
    await page.evaluate(() => void (fates = ['destroy']));
    await load(url, { idleTimeout: 1000 });
    const seen = await page.evaluate(async () => {
      const options = { maxTokens: 8, temperature: 0 };
      const loaded = losses.length;
      const before = (await model.generate([2, 10, 20], options)).text;
      fates = ['destroy', 'destroy'];
      lose();
      const error = await model.generate([2, 10, 20], options).then(String, ({ code, message }) => `${code} ${message}`);
      const attempts = losses.map(({ attempt }) => attempt);
      const then = (await model.generate([2, 10, 20], options)).text;
      // Reading the memory does not keep the model awake.
      const deadline = performance.now() + 10_000;
      let total = (await model.memory()).total;
      while (total > 0 && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        ({ total } = await model.memory());
      }
      const woken = (await model.generate([2, 10, 20], options)).text;
      return { loaded, before, error, attempts, then, total, woken, made };
    });
    assert.equal(seen.loaded, 1);
    assert.match(seen.error, /^device_lost .*3 times within a minute/);
    assert.deepEqual(seen.attempts, [1, 2, 3]);
    assert.deepEqual([seen.then, seen.woken], [seen.before, seen.before]);
    assert.equal(seen.total, 0);
    assert.equal(seen.made, 6);
  });

  it('what can’t come back says why', async () => {
    await load({ kind: 'stream', urls: [url] });
    const streamed = await page.evaluate(async () => {
      const asleep = await model.sleep().then(String, ({ code }) => code);
      lose();
      const error = await model.generate([2, 10], { maxTokens: 200 }).then(String, ({ code, message }) => `${code} ${message}`);
      return { asleep, error };
    });
    assert.equal(streamed.asleep, 'unsupported');
    assert.match(streamed.error, /^device_lost .*stream, which can be read only once/);
    const given = await page.evaluate(
      async (address, options) => {
        type Device = import('../../www/lib/index.js').GpuDeviceLike & { destroy(): void };
        type Gpu = { requestAdapter(): Promise<{ requestDevice(): Promise<Device> }> };
        const device = await (await (navigator as unknown as { gpu: Gpu }).gpu.requestAdapter()).requestDevice();
        const here = await gemmaWeb.loadGemma(address, { ...options, device } as LoadOptions);
        const texts = [(await here.generate([2, 10, 20], { maxTokens: 8, temperature: 0 })).text];
        await here.sleep();
        const { total } = await here.memory();
        texts.push((await here.generate([2, 10, 20], { maxTokens: 8, temperature: 0 })).text);
        device.destroy();
        const error = await here.generate([2, 10], { maxTokens: 200 }).then(String, ({ code, message }) => `${code} ${message}`);
        here.dispose();
        return { texts, total, error };
      },
      url,
      OPTIONS as LoadOptions & { signal: never; template: never },
    );
    assert.equal(given.texts[1], given.texts[0]);
    assert.equal(given.total, 0);
    assert.match(given.error, /^device_lost .*`device`/);
  });
});
