// The cache of models: killed tabs, damage, too little space, two tabs at once, no network, and no place for files.
// Runs alone: its calls must end within 100 ms.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import type { LoadProgress } from '../../www/lib/index.js';
import { openPage } from './support/browsers.js';
import { startFaultServer } from './support/faulty-server.js';
import { assertError, assertRight, assertStored, CHUNK, download, entryOf, load, openForBytes, openWithWorker, sha1, spreadModel } from './support/loads.js';
import { withDownloads } from './support/setup.js';
import { until } from './support/waiting.js';

const bytes = spreadModel(26 << 20);
const SHA1 = sha1(bytes);
/** Bytes of the last chunk; the others have the length `CHUNK`. */
const lastChunk = bytes.length % CHUNK;

withDownloads(bytes, (tab) => {
  /** Starts a load in a tab of its own and kills the tab once the server has sent `sent` bytes. */
  const killAfter = async (sent: number, stored: number): Promise<void> => {
    const doomed = await openForBytes(tab.browser, tab.browserName, tab.site.url);
    tab.file.faults = { holdAfter: sent };
    await doomed.evaluate((url) => void gemmaWeb.loadGemma(url).catch(() => undefined), tab.file.url);
    await until('the server has sent that much', () => tab.file.sent >= sent);
    await until('what can be is stored', async () => ((await entryOf(tab.page, tab.file.url))?.stored ?? 0) >= stored);
    await doomed.close();
    tab.file.faults = {};
  };

  describe('a tab that is killed', () => {
    // The kill loses the unfinished chunks of the requests under way, four at most.
    const cases = [
      [10, CHUNK],
      [50, CHUNK],
      [99, bytes.length - CHUNK - lastChunk],
    ] as const;
    for (const [percent, atLeast] of cases) {
      it(`at ${percent} %: the next load asks for what is missing, and for nothing else`, async () => {
        const sent = Math.max(Math.floor((bytes.length * percent) / 100), CHUNK + 1000);
        await killAfter(sent, atLeast);
        const { stored = 0, complete } = (await entryOf(tab.page, tab.file.url)) ?? {};
        assert.ok(stored >= atLeast && stored <= sent && !complete, `${stored} of ${sent} bytes are stored`);
        tab.file.forget();
        const again = await download(tab.page, tab.file.url);
        assertStored(again, SHA1);
        assert.deepEqual([tab.file.asked, tab.file.sent], [bytes.length - stored, bytes.length - stored]);
        assert.equal(again.progress.at(-1)?.cached, stored);
      });
    }

    it('while the whole file comes in one request: what is stored stays', async () => {
      const doomed = await openForBytes(tab.browser, tab.browserName, tab.site.url);
      tab.file.faults = { ranges: 'ignored', holdAfter: bytes.length >> 1 };
      await doomed.evaluate((url) => void gemmaWeb.loadGemma(url).catch(() => undefined), tab.file.url);
      await until('some is stored', async () => ((await entryOf(tab.page, tab.file.url))?.stored ?? 0) >= 2 * CHUNK);
      await doomed.close();
      tab.file.faults = { ranges: 'ignored' };
      assertStored(await download(tab.page, tab.file.url), SHA1);
    });
  });

  describe('an abort', () => {
    const cases: [string, number, (progress: LoadProgress) => boolean][] = [
      ['during the header', 1000, ({ loaded }) => loaded >= 1000],
      ['during the weights', 15e6, ({ phase, loaded }) => phase === 'weights' && loaded >= 14e6],
      ['during compiling', Infinity, ({ phase, loaded, total }) => phase === 'weights' && loaded === total],
    ];
    for (const [when, holdAfter, isTime] of cases) {
      it(`${when}: at once, and the next load goes on`, async () => {
        tab.file.faults = { holdAfter };
        const { name, ms, at } = await (when === 'during compiling' ? tab.real : tab.page).evaluate(
          async (url, text) => {
            const isItTime = (0, eval)(text) as (progress: LoadProgress) => boolean;
            const controller = new AbortController();
            let [begin, at] = [0, 0];
            const onProgress = (progress: LoadProgress): void => {
              if (begin > 0 || !isItTime(progress)) return;
              [begin, at] = [performance.now(), Date.now()];
              controller.abort();
            };
            const name = await gemmaWeb.loadGemma(url, { signal: controller.signal, onProgress }).then(String, (error: Error) => error.name);
            return { name, ms: performance.now() - begin, at };
          },
          tab.file.url,
          `(${isTime.toString()})`,
        );
        assert.equal(name, 'AbortError');
        assert.ok(ms < 100, `it took ${ms} ms`);
        // Chromium ends a worker only when the GPU's process, which here compiles on the CPU, answers. By then all is downloaded.
        if (when !== 'during compiling') {
          const open = (): boolean => tab.file.requests.some(({ cutAt, bytes: sent, range }) => cutAt === undefined && sent < (range ? range.last - range.first + 1 : 0));
          await until('connections are closed', () => !open(), 2000);
          for (const { cutAt } of tab.file.requests) assert.ok(cutAt === undefined || cutAt - at < 100, `${(cutAt ?? 0) - at} ms`);
        }
        tab.file.faults = {};
        const again = await download(tab.page, tab.file.url);
        assert.equal(again.sha1, SHA1);
        assert.ok((again.progress.at(-1)?.cached ?? 0) > 0 || when === 'during the header', 'what was stored is used');
      });
    }
  });

  /** Changes the stored file behind the package's back: flips a byte, or cuts it. */
  const damage = async (how: { flip: number } | { cut: number } | { manifest: number }): Promise<string> => {
    const { id = '' } = (await entryOf(tab.page, tab.file.url)) ?? {};
    await tab.page.evaluate(
      async (entry, change) => {
        const folder = await (await (await navigator.storage.getDirectory()).getDirectoryHandle('gemma-web')).getDirectoryHandle(entry);
        const handle = await folder.getFileHandle('manifest' in change ? 'manifest' : 'data');
        const writable = await handle.createWritable({ keepExistingData: true });
        const position = 'flip' in change ? change.flip : 'manifest' in change ? change.manifest : 0;
        if ('cut' in change) {
          await writable.truncate(change.cut);
        } else {
          const was = new Uint8Array(await (await handle.getFile()).slice(position, position + 1).arrayBuffer());
          await writable.write({ type: 'write', position, data: new Uint8Array([(was[0] ?? 0) ^ 1]) });
        }
        await writable.close();
      },
      id,
      how,
    );
    return id;
  };

  describe('damage', () => {
    it('a flipped byte is found by verify and healed by the next load with one chunk', async () => {
      assertStored(await download(tab.page, tab.file.url), SHA1);
      const id = await damage({ flip: 2 * CHUNK + 5 });
      const verify = (): Promise<unknown> => tab.page.evaluate((entry) => gemmaWeb.cache.verify(entry), id);
      assert.deepEqual(await verify(), { chunks: 7, damaged: [2] });
      assert.deepEqual(await verify(), { chunks: 6, damaged: [] });
      tab.file.forget();
      assertStored(await download(tab.page, tab.file.url), SHA1);
      assert.equal(tab.file.asked, CHUNK);
      assert.deepEqual(await verify(), { chunks: 7, damaged: [] });
    });

    it('a flipped byte is found by the load itself, which fetches one chunk and computes the right text', async () => {
      assertStored(await download(tab.page, tab.file.url), SHA1);
      await damage({ flip: 3 * CHUNK + 1 });
      tab.file.forget();
      const outcome = await load(tab.real, tab.file.url);
      assertRight(outcome);
      assert.equal(tab.file.asked, CHUNK);
      assert.equal(outcome.cache?.stored, true);
    });

    it('a file that was cut, and a manifest that is not one', async () => {
      assertStored(await download(tab.page, tab.file.url), SHA1);
      await damage({ cut: 4 * CHUNK + 10 });
      tab.file.forget();
      assertStored(await download(tab.page, tab.file.url), SHA1);
      assert.equal(tab.file.asked, bytes.length - 4 * CHUNK);
      await damage({ manifest: 12 });
      tab.file.forget();
      assertStored(await download(tab.page, tab.file.url), SHA1);
      assert.equal(tab.file.asked, bytes.length);
    });
  });

  it('two tabs at once: the server sends the file once, and both have the right model', async () => {
    const second = (await openPage(tab.browser, `${tab.site.url}/test/`)).page;
    const outcomes = await Promise.all([load(tab.real, tab.file.url), load(second, tab.file.url)]);
    outcomes.forEach(assertRight);
    assert.equal(tab.file.sent, bytes.length);
    const phases = outcomes.flatMap(({ progress }) => progress.map(({ phase }) => phase));
    assert.ok(phases.includes('waiting'), 'one waits for the other');
    await second.close();
  });

  it('without the server: a model that is kept loads without a request', async () => {
    const gone = await startFaultServer();
    tab.file = gone.add('model.gguf', bytes);
    assertStored(await download(tab.page, tab.file.url), SHA1);
    await gone.close();
    tab.file.forget();
    const outcome = await load(tab.real, tab.file.url);
    assertRight(outcome);
    assert.equal(tab.file.requests.length, 0);
    assert.equal(outcome.progress.at(-1)?.cached, bytes.length);
    const { fileBytes } = await tab.page.evaluate((url) => gemmaWeb.inspect(url), tab.file.url);
    assert.equal(fileBytes, bytes.length);
  });

  it('too little space: quota_exceeded before the first byte is stored', async () => {
    const small = await withLittleSpace(tab.browserName, tab.start, tab.page, tab.site.url);
    try {
      const details = assertError(await load(small.page, tab.file.url), 'quota_exceeded');
      const { needed, available } = details as { needed: number; available: number };
      assert.equal(needed, bytes.length);
      assert.ok(available >= 0 && available < bytes.length, `${available}`);
      // The first request was under way when the size became known.
      assert.ok(tab.file.sent <= 2 * CHUNK && tab.file.requests.length === 1);
      assert.equal(await small.page.evaluate(() => gemmaWeb.cache.size()), 0);
    } finally {
    await small.restore();
    }
  });

  it('no place for files, or none wanted: the model is loaded all the same, and says why it is not kept', async () => {
    const bare = await openWithWorker(tab.browser, tab.site.url, 'no-files');
    const outcome = await load(bare, tab.file.url);
    assertRight(outcome);
    assert.ok(outcome.cache && !outcome.cache.stored && outcome.cache.why.includes('no private file system'), JSON.stringify(outcome.cache));
    assert.deepEqual(await bare.evaluate(() => gemmaWeb.cache.list()), []);
    await bare.close();
    const unwanted = await tab.page.evaluate(
      async (url) => {
        const model = await gemmaWeb.loadGemma(url, { cache: false, selfTest: 'off' });
        model.dispose();
        return model.info.cache;
      },
      tab.file.url,
    );
    assert.deepEqual(unwanted, { stored: false, why: 'the option `cache` is false' });
    assert.equal(await tab.page.evaluate(() => gemmaWeb.cache.size()), 0);
  });

  it('lists, exports and deletes', async () => {
    assertStored(await download(tab.page, tab.file.url), SHA1);
    const found = await tab.page.evaluate(async () => {
      const { cache } = gemmaWeb;
      const codeOf = (error: { code?: unknown }): unknown => error.code;
      const [entry] = await cache.list();
      const id = entry?.id ?? '';
      const exported = await cache.export(id);
      const size = await cache.size();
      const wrong = [await cache.verify('ab').catch(codeOf), await cache.export('ab').catch(codeOf), await cache.delete('../x').catch(codeOf)];
      const deleted = [await cache.delete(id), await cache.delete(id)];
      return { entry, name: exported.name, bytes: exported.size, size, wrong, deleted, after: await cache.list(), left: await cache.size() };
    });
    assert.deepEqual(found.entry, { id: found.entry?.id, url: tab.file.url, size: bytes.length, stored: bytes.length, complete: true });
    assert.deepEqual([found.name, found.bytes], [new URL(tab.file.url).pathname.slice(1), bytes.length]);
    assert.ok(found.size >= bytes.length && found.size < bytes.length + 100_000);
    assert.deepEqual(found.wrong, ['invalid_option', 'invalid_option', 'invalid_option']);
    assert.deepEqual(found.deleted, [true, false]);
    assert.deepEqual([found.after, found.left], [[], 0]);
  });

  it('what is being loaded is not deleted: cache_busy; an incomplete file is not exported: storage', async () => {
    tab.file.faults = { holdAfter: 5e6 };
    const outcome = await tab.page.evaluate(async (url) => {
      const controller = new AbortController();
      const loading = gemmaWeb.loadGemma(url, { signal: controller.signal }).catch(() => undefined);
      let id;
      while (id === undefined) id = (await gemmaWeb.cache.list()).find(({ stored }) => stored > 0)?.id;
      const codeOf = (error: { code?: unknown }): unknown => error.code;
      const codes = await Promise.all([gemmaWeb.cache.delete(id).catch(codeOf), gemmaWeb.cache.clear().catch(codeOf), gemmaWeb.cache.export(id).catch(codeOf)]);
      controller.abort();
      await loading;
      return codes;
    }, tab.file.url);
    assert.deepEqual(outcome, ['cache_busy', 'cache_busy', 'storage']);
  });
});

/** A page of an origin that may store 10 MB. */
async function withLittleSpace(
  browserName: string,
  start: (webgpu?: boolean, prefs?: Record<string, unknown>) => Promise<Browser>,
  page: Page,
  url: string,
): Promise<{ page: Page; restore(): Promise<void> }> {
  if (browserName === 'firefox') {
    // In KB; a site may have a fifth of it.
    const browser = await start(true, { 'dom.quotaManager.temporaryStorage.fixedLimit': 50 << 10 });
    return { page: (await openPage(browser, `${url}/test/`)).page, restore: () => browser.close() };
  }
  const devtools = await page.createCDPSession();
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: url, quotaSize: 10e6 });
  return {
    page,
    restore: async () => {
      await devtools.send('Storage.overrideQuotaForOrigin', { origin: url });
      await devtools.detach();
    },
  };
}
