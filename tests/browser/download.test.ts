// Downloads from servers and over connections that misbehave: the right model or a typed error, never wrong weights.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Faults, FaultyFile } from './support/faulty-server.js';
import { assertError, assertRight, assertStored, CHUNK, type Download, download, entryOf, load, openForBytes, openWithWorker, sha1, spreadModel } from './support/loads.js';
import { withDownloads } from './support/setup.js';
import { pause, until } from './support/waiting.js';

const bytes = spreadModel(26 << 20);
const other = Buffer.from(bytes);
// The same model, but for noise in each chunk.
for (let at = 3 << 20; at < other.length; at += CHUNK) other.writeUInt8(other.readUInt8(at) ^ 0xff, at);
const SHA1 = sha1(bytes);

withDownloads(bytes, (tab) => {
  /** Downloads the file from a server with these faults. */
  const withFaults = async (faults: Faults): Promise<Download> => {
    tab.file.faults = faults;
    const outcome = await download(tab.page, tab.file.url);
    assertStored(outcome, SHA1);
    return outcome;
  };
  const gets = (): FaultyFile['requests'] => tab.file.requests.filter(({ method }) => method === 'GET');

  describe('the right model from', () => {
    it('a sound server: each byte is asked for once, several ranges at a time', async () => {
      await withFaults({});
      assert.equal(tab.file.asked, bytes.length);
      assert.equal(tab.file.sent, bytes.length);
      assert.ok(gets().length > 2 && gets().every(({ range }) => range && range.last - range.first < 6 * CHUNK));
      assert.ok(tab.file.requests.every(({ method }) => method === 'GET'), 'no preflight');
    });
    it('the same, and it computes the exact text', async () => {
      assertRight(await load(tab.real, tab.file.url));
    });
    it('connections that break off every 5 MB: what came is not asked for again', async () => {
      await withFaults({ resetAfter: 5e6 });
      // A broken connection may lose the bytes under way.
      assert.ok(tab.file.sent < bytes.length + gets().length * (1 << 20), `${tab.file.sent} bytes were sent`);
    });
    it('503 twice, with Retry-After', async () => {
      const { ms } = await withFaults({ refuse: { times: 2, status: 503, retryAfter: '1' } });
      assert.ok(ms > 1000, `${ms} ms`);
      assert.equal(tab.file.sent, bytes.length);
    });
    it('a server that ignores ranges: one request', async () => {
      await withFaults({ ranges: 'ignored' });
      assert.equal(gets().length, 1);
      assert.equal(tab.file.sent, bytes.length);
    });
    it('bodies that are shorter than promised', async () => {
      await withFaults({ short: { times: 2, by: 100_000 } });
      assert.equal(tab.file.sent, bytes.length);
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
    const offline = await openWithWorker(tab.browser, tab.site.url, 'off-and-on');
    const setOnline = (online: boolean): Promise<void> => offline.evaluate((state) => new BroadcastChannel('connection').postMessage(state), online);
    tab.file.faults = { holdAfter: 10e6 };
    const loading = download(offline, tab.file.url);
    await until('some was sent', () => tab.file.sent >= 10e6);
    await setOnline(false);
    tab.file.faults = { resetAfter: 1 };
    await until('connections are cut', () => tab.file.requests.every(({ cutAt, bytes: sent, range }) => cutAt !== undefined || (range && sent > range.last - range.first)));
    const count = tab.file.requests.length;
    await pause(1500);
    assert.equal(tab.file.requests.length, count);
    tab.file.faults = {};
    await setOnline(true);
    const outcome = await loading;
    assertStored(outcome, SHA1);
    assert.ok(outcome.progress.some(({ paused }) => paused === 'offline'), 'it was said');
    assert.equal(outcome.progress.at(-1)?.paused, null);
    await offline.close();
  });

  describe('the right model, which is not stored, from', () => {
    it('a compressing server', async () => {
      tab.file.faults = { encoding: 'gzip' };
      const outcome = await load(tab.real, tab.file.url);
      assertRight(outcome);
      assert.ok(outcome.cache && !outcome.cache.stored && /length|compressed/.test(outcome.cache.why), JSON.stringify(outcome.cache));
      assert.equal(await entryOf(tab.page, tab.file.url), undefined);
    });
    it('a server that tells no length', async () => {
      tab.file.faults = { ranges: 'ignored', length: 'unknown' };
      const outcome = await load(tab.real, tab.file.url);
      assertRight(outcome);
      assert.equal(outcome.cache?.stored, false);
      assert.equal(tab.file.sent, bytes.length);
    });
  });

  describe('a typed error for', () => {
    it('404, at once', async () => {
      tab.file.faults = { refuse: { times: 9, status: 404 } };
      assert.equal(assertError(await load(tab.page, tab.file.url), 'http')['status'], 404);
      assert.equal(gets().length, 1);
      assert.equal(await tab.page.evaluate(() => gemmaWeb.cache.size()), 0, 'nothing stays behind');
    });
    it('the wrong Content-Range', async () => {
      tab.file.faults = { contentRange: 'shifted' };
      assertError(await load(tab.page, tab.file.url), 'bad_reply');
    });
    it('a file that changes while it is loaded; the next load has the new one', async () => {
      tab.file.faults = { holdAfter: bytes.length >> 1 };
      const loading = load(tab.page, tab.file.url);
      await until('half was sent', () => tab.file.sent >= bytes.length >> 1);
      tab.file.bytes = other;
      // The open connections are cut, so that the rest has to be requested.
      tab.file.faults = { resetAfter: 1e6 };
      const details = assertError(await loading, 'file_changed');
      assert.notEqual(details['was'], details['is']);
      tab.file.forget();
      tab.file.faults = {};
      assertStored(await download(tab.page, tab.file.url), sha1(other));
      assert.equal(tab.file.sent, other.length, 'nothing of the old one is used');
    });
  });

  it('a file that changed between two visits is loaded anew, without an error', async () => {
    tab.file.faults = { holdAfter: bytes.length >> 1 };
    const first = await openForBytes(tab.browser, tab.browserName, tab.site.url);
    await first.evaluate((url) => void gemmaWeb.loadGemma(url).catch(() => undefined), tab.file.url);
    await until('some is stored', async () => ((await entryOf(tab.page, tab.file.url))?.stored ?? 0) > CHUNK);
    await first.close();
    tab.file.bytes = other;
    tab.file.faults = {};
    assertStored(await download(tab.page, tab.file.url), sha1(other));
  });
});
