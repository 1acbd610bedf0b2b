// Servers and lines that misbehave: the right model or a typed error, never wrong weights.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { inBothBrowsers, openPage } from './support/browsers.js';
import { type Faults, type FaultServer, type FaultyFile, startFaultServer } from './support/faulty-server.js';
import { assertError, assertRight, assertStored, CHUNK, clearCache, type Download, download, entryOf, load, openForBytes, openWithWorker, sha1, spreadModel, until } from './support/loads.js';
import { startSite } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

const bytes = spreadModel(26 << 20);
const other = Buffer.from(bytes);
// The same model, but for noise in each chunk.
for (let at = 3 << 20; at < other.length; at += CHUNK) other.writeUInt8(other.readUInt8(at) ^ 0xff, at);
const SHA1 = sha1(bytes);

inBothBrowsers((browserName, start) => {
  let site: StaticServer;
  let server: FaultServer;
  let browser: Browser;
  let page: Page;
  let real: Page;
  let file: FaultyFile;
  let count = 0;

  before(async () => {
    site = await startSite({});
    server = await startFaultServer();
    browser = await start();
    page = await openForBytes(browser, browserName, site.url);
    real = (await openPage(browser, `${site.url}/test/`)).page;
  });
  after(async () => {
    await site.close();
    await server.close();
  });
  beforeEach(async () => {
    await clearCache(page);
    file = server.add(`model-${(count += 1)}.gguf`, bytes);
  });

  /** Has the file downloaded from a server with these faults. */
  const withFaults = async (faults: Faults): Promise<Download> => {
    file.faults = faults;
    const outcome = await download(page, file.url);
    assertStored(outcome, SHA1);
    return outcome;
  };
  const gets = (): FaultyFile['requests'] => file.requests.filter(({ method }) => method === 'GET');

  describe('the right model from', () => {
    it('a sound server: each byte is asked for once, several ranges at a time', async () => {
      await withFaults({});
      assert.equal(file.asked, bytes.length);
      assert.equal(file.sent, bytes.length);
      assert.ok(gets().length > 2 && gets().every(({ range }) => range && range.last - range.first < 6 * CHUNK));
      assert.ok(file.requests.every(({ method }) => method === 'GET'), 'no preflight');
    });
    it('the same, and it computes the exact text', async () => {
      assertRight(await load(real, file.url));
    });
    it('connections that break off every 5 MB: what came is not asked for again', async () => {
      await withFaults({ resetAfter: 5e6 });
      // What was under way when a connection broke may be lost with it.
      assert.ok(file.sent < bytes.length + gets().length * (1 << 20), `${file.sent} bytes were sent`);
    });
    it('503 twice, with Retry-After', async () => {
      const { ms } = await withFaults({ refuse: { times: 2, status: 503, retryAfter: '1' } });
      assert.ok(ms > 1000, `${ms} ms`);
      assert.equal(file.sent, bytes.length);
    });
    it('a server that ignores ranges: one request', async () => {
      await withFaults({ ranges: 'ignored' });
      assert.equal(gets().length, 1);
      assert.equal(file.sent, bytes.length);
    });
    it('bodies that are shorter than promised', async () => {
      await withFaults({ short: { times: 2, by: 100_000 } });
      assert.equal(file.sent, bytes.length);
    });
    it('another origin that exposes no headers and refuses preflights', async () => {
      await withFaults({ cors: 'refused' });
    });
    it('another address, after a redirect, without ETag and date', async () => {
      await withFaults({ redirect: true, validators: 'none' });
    });
    it('a slow line: reports keep coming, and tell the speed', async () => {
      const { progress } = await withFaults({ speed: 6e6 });
      const under = progress.filter(({ phase, loaded, total }) => phase === 'weights' && loaded !== total);
      assert.ok(under.length > 5, `${under.length} reports`);
      for (const [index, { at }] of progress.entries()) assert.ok(at - (progress[index - 1]?.at ?? at) < 2500, `${at} ms`);
      const last = under.at(-1);
      assert.ok(last && last.bytesPerSecond > 2e6 && last.bytesPerSecond < 60e6, `${last?.bytesPerSecond} B/s`);
      assert.ok(last.etaSeconds !== null && last.etaSeconds < 10);
    });
  });

  it('without a network nothing is asked for; when it is back the download goes on', async () => {
    const tab = await openWithWorker(browser, site.url, 'off-and-on');
    const setOnline = (online: boolean): Promise<void> => tab.evaluate((state) => new BroadcastChannel('connection').postMessage(state), online);
    file.faults = { holdAfter: 10e6 };
    const loading = download(tab, file.url);
    await until('some was sent', () => file.sent >= 10e6);
    await setOnline(false);
    file.faults = { resetAfter: 1 };
    await until('connections are cut', () => file.requests.every(({ cutAt, bytes: sent, range }) => cutAt !== undefined || (range && sent > range.last - range.first)));
    const count = file.requests.length;
    await new Promise((done) => setTimeout(done, 1500));
    assert.equal(file.requests.length, count);
    file.faults = {};
    await setOnline(true);
    const outcome = await loading;
    assertStored(outcome, SHA1);
    assert.ok(outcome.progress.some(({ paused }) => paused === 'offline'), 'it was said');
    assert.equal(outcome.progress.at(-1)?.paused, null);
    await tab.close();
  });

  describe('the right model, which is not stored, from', () => {
    it('a compressing server', async () => {
      file.faults = { encoding: 'gzip' };
      const outcome = await load(real, file.url);
      assertRight(outcome);
      assert.ok(outcome.cache && !outcome.cache.stored && /length|compressed/.test(outcome.cache.why), JSON.stringify(outcome.cache));
      assert.equal(await entryOf(page, file.url), undefined);
    });
    it('a server that tells no length', async () => {
      file.faults = { ranges: 'ignored', length: 'unknown' };
      const outcome = await load(real, file.url);
      assertRight(outcome);
      assert.equal(outcome.cache?.stored, false);
      assert.equal(file.sent, bytes.length);
    });
  });

  describe('a typed error for', () => {
    it('404, at once', async () => {
      file.faults = { refuse: { times: 9, status: 404 } };
      assert.equal(assertError(await load(page, file.url), 'http')['status'], 404);
      assert.equal(gets().length, 1);
      assert.equal(await page.evaluate(() => gemmaWeb.cache.size()), 0, 'nothing stays behind');
    });
    it('the wrong Content-Range', async () => {
      file.faults = { contentRange: 'shifted' };
      assertError(await load(page, file.url), 'bad_reply');
    });
    it('a file that changes while it is loaded; the next load has the new one', async () => {
      file.faults = { holdAfter: bytes.length >> 1 };
      const loading = load(page, file.url);
      await until('half was sent', () => file.sent >= bytes.length >> 1);
      file.bytes = other;
      // What is under way is cut, so that the rest has to be asked for.
      file.faults = { resetAfter: 1e6 };
      const details = assertError(await loading, 'file_changed');
      assert.notEqual(details['was'], details['is']);
      file.forget();
      file.faults = {};
      assertStored(await download(page, file.url), sha1(other));
      assert.equal(file.sent, other.length, 'nothing of the old one is used');
    });
  });

  it('a file that changed between two visits is loaded anew, without an error', async () => {
    file.faults = { holdAfter: bytes.length >> 1 };
    const first = await openForBytes(browser, browserName, site.url);
    await first.evaluate((url) => void gemmaWeb.loadGemma(url).catch(() => undefined), file.url);
    await until('some is stored', async () => ((await entryOf(page, file.url))?.stored ?? 0) > CHUNK);
    await first.close();
    file.bytes = other;
    file.faults = {};
    assertStored(await download(page, file.url), sha1(other));
  });
});
