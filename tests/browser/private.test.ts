// Permissions of browsers: private windows, and the request that stored files persist.

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { inBothBrowsers } from './support/browsers.js';
import { type FaultServer, type FaultyFile, startFaultServer } from './support/faulty-server.js';
import { assertRight, load, spreadModel } from './support/loads.js';
import { startSite } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

const bytes = spreadModel(6 << 20);

inBothBrowsers((browserName, start) => {
  let site: StaticServer;
  let server: FaultServer;
  let file: FaultyFile;

  before(async () => {
    site = await startSite({});
    server = await startFaultServer();
    file = server.add('model.gguf', bytes);
  });
  after(async () => {
    await site.close();
    await server.close();
  });

  let chromium: Browser | undefined;
  /** A browser whose windows are private or not: Firefox as a whole, Chromium by contexts of one browser. */
  const startFor = async (windows: 'private' | 'kept'): Promise<Browser> => {
    if (browserName === 'chromium') return (chromium ??= await start());
    return start(true, { 'browser.privatebrowsing.autostart': windows === 'private' });
  };
  const at = async (page: Page): Promise<Page> => {
    await page.goto(`${site.url}/test/`, { waitUntil: 'load' });
    return page;
  };

  it('a private window: the model is loaded, and kept only as long as the window is there, or not at all', async () => {
    const browser = await startFor('private');
    const open = async (): Promise<Page> =>
      // A context of its own is off the record in Chromium; in Firefox the whole browser is.
      at(await (browserName === 'chromium' ? await browser.createBrowserContext() : browser).newPage());
    const page = await open();
    const outcome = await load(page, file.url);
    assertRight(outcome);
    const sent = file.sent;
    assert.ok(sent >= bytes.length);
    if (outcome.cache?.stored) {
      assertRight(await load(page, file.url));
      assert.equal(file.sent, sent, 'what is kept is not asked for again');
    } else {
      assert.match(outcome.cache?.why ?? '', /private file system/);
    }
    if (browserName === 'chromium') {
      assert.deepEqual(await (await open()).evaluate(() => gemmaWeb.cache.list()), [], 'another window knows nothing of it');
    }
  });

  it('persist() is asked before something is stored, and only then; a refusal changes nothing', async () => {
    const page = await at(await (await startFor('kept')).newPage());
    const asked = await page.evaluate(async (url) => {
      const calls: string[] = [];
      const manager = navigator.storage;
      manager.persisted = () => Promise.resolve(false);
      manager.persist = async () => {
        calls.push('persist');
        return Promise.reject(new Error('refused'));
      };
      const loaded = async (cache: boolean): Promise<boolean> => {
        const model = await gemmaWeb.loadGemma(url, { cache });
        model.dispose();
        return model.info.cache.stored;
      };
      const said = (): number => calls.length;
      return [await loaded(false), said(), await loaded(true), said(), await loaded(true), said()];
    }, file.url);
    assert.deepEqual(asked, [false, 0, true, 1, true, 1]);
  });
});
