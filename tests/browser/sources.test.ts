// Sources of a model besides one address: files, streams, objects of the page, shards, short names.
// Runs alone: its calls must end within 100 ms.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { inBothBrowsers, openPage } from './support/browsers.js';
import { type FaultServer, startFaultServer } from './support/faulty-server.js';
import { inShards } from './support/gguf.js';
import { assertError, assertRight, assertStored, clearCache, download, load, MODEL, openForBytes, sha1, spreadModel } from './support/loads.js';
import { startSite, TINY } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

const bytes = spreadModel(12 << 20);
const shards = inShards(join(TINY, MODEL), 3, 12 << 20);
const shardName = (no: number): string => `model-0000${no + 1}-of-00003.gguf`;

inBothBrowsers((browserName, start) => {
  let site: StaticServer;
  let server: FaultServer;
  let browser: Browser;
  let page: Page;
  let real: Page;
  let urls: string[];
  let shardUrls: string[];
  let problems: string[];

  before(async () => {
    site = await startSite({});
    server = await startFaultServer();
    urls = [server.add('model.gguf', bytes).url];
    shardUrls = shards.map((shard, no) => server.add(shardName(no), shard).url);
    browser = await start();
    page = await openForBytes(browser, browserName, site.url);
    ({ page: real, problems } = await openPage(browser, `${site.url}/test/`));
  });
  after(async () => {
    await site.close();
    await server.close();
    assert.deepEqual(problems, []);
  });

  /** Loads a model that the test does not compute with. */
  const loads = (given: object): Promise<void> =>
    page.evaluate(async (source) => (await gemmaWeb.loadGemma(await makeSource(source), { tuning: 'int8/1', selfTest: 'off' })).dispose(), given);

  describe('that are no addresses', () => {
    for (const kind of ['blob', 'stream', 'slow object']) {
      it(`${kind}: the right model, nothing stored`, async () => {
        const outcome = await load(real, { kind, urls });
        assertRight(outcome);
        assert.equal(outcome.cache?.stored, false);
        assert.equal(outcome.progress.at(-1)?.total, kind === 'stream' ? null : bytes.length);
        assert.deepEqual(await page.evaluate(() => gemmaWeb.cache.list()), []);
      });
    }

    it('an object is asked for each byte once, in order, and told when it is over', async () => {
      await loads({ kind: 'object', urls });
      const { asked, over } = await page.evaluate(() => ({ asked: globalThis.asked, over: lastSignal.aborted }));
      let end = 0;
      for (const [offset, length] of asked) {
        assert.ok(offset >= end && length > 0 && length <= 4 << 20, JSON.stringify(asked));
        end = offset + length;
      }
      assert.ok(end <= bytes.length);
      assert.equal(over, true);
    });

    it('what an object or a stream throws is what loadGemma rejects with', async () => {
      for (const kind of ['throwing object', 'broken stream']) assert.equal((await load(page, { kind, urls })).error?.message, 'mine', kind);
    });

    it('an object that gives too few bytes, a stream that ends too early, something else', async () => {
      assert.match((await load(page, { kind: 'short object', urls })).error?.message ?? '', /source\.read gave \d+ of the \d+ bytes at 0/);
      assertError(await load(page, { kind: 'half a stream', urls }), 'truncated');
      assert.equal(assertError(await load(page, { kind: 'nonsense', urls }), 'invalid_option')['option'], 'source');
      for (const size of [-1, 1.5, '5']) {
        const found = await page.evaluate(
          (wrong) => gemmaWeb.loadGemma({ size: wrong as number, read: () => new Uint8Array() }).then(() => '', (error) => String(error.code)),
          size,
        );
        assert.equal(found, 'invalid_option', String(size));
      }
    });

    it('an abort reaches an object that waits', async () => {
      const { name, ms, told } = await page.evaluate(
        async (given) => {
          const controller = new AbortController();
          const source = await makeSource(given);
          const loading = gemmaWeb.loadGemma(source, { signal: controller.signal }).then(() => '', (error: Error) => error.name);
          while (asked.length < 2) await new Promise((done) => setTimeout(done, 10));
          const begin = performance.now();
          controller.abort();
          return { name: await loading, ms: performance.now() - begin, told: lastSignal.aborted };
        },
        { kind: 'stuck object', urls },
      );
      assert.equal(name, 'AbortError');
      assert.ok(ms < 100, `it took ${ms} ms`);
      assert.equal(told, true);
    });

    it('inspect reads their headers only', async () => {
      const { fileBytes, read } = await page.evaluate(async (given) => {
        const { fileBytes } = await gemmaWeb.inspect(await makeSource(given));
        return { fileBytes, read: asked.reduce((sum, [, length]) => sum + length, 0) };
      }, { kind: 'object', urls });
      assert.equal(fileBytes, bytes.length);
      assert.ok(read <= 4 << 20, `${read} bytes`);
    });
  });

  describe('addresses', () => {
    for (const kind of ['url', 'request']) {
      it(`a ${kind}`, async () => {
        assertStored(await download(page, { kind, urls }), sha1(bytes));
        await clearCache(page);
      });
    }

    it('headers are sent with every request and kept nowhere', async () => {
      const file = server.add('secret.gguf', bytes);
      assertStored(await download(page, { url: file.url, headers: { 'X-Key': 'hush' } }), sha1(bytes));
      const gets = file.requests.filter(({ method }) => method === 'GET');
      assert.ok(gets.length > 0 && gets.every(({ headers }) => headers['x-key'] === 'hush'));
      assert.ok(!(await everythingStored(page)).includes('hush'));
      await clearCache(page);
    });

    it('a token goes to Hugging Face only', async () => {
      assert.equal(assertError(await load(page, { url: urls[0], token: 'hf_secret' }), 'invalid_option')['option'], 'token');
    });

    for (const [name, wrong] of [
      ['a password', 'https://me:secret@example.org/a.gguf'],
      ['a short name with a part missing', 'hf:owner/file.gguf'],
    ] as const) {
      it(`${name}: invalid_option`, async () => {
        const outcome = await load(page, wrong);
        assertError(outcome, 'invalid_option');
        assert.ok(!outcome.error?.message.includes('secret'));
      });
    }

    it('a checksum that is right, and one that is none', async () => {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      assertStored(await download(page, { url: urls[0], sha256 }), sha1(bytes));
      assertError(await load(page, { url: urls[0], sha256: 'abc' }), 'invalid_option');
      await clearCache(page);
    });

    it('a checksum that is wrong: checksum_mismatch, and nothing is kept', async () => {
      for (const cache of [true, false]) {
        const details = assertError(await load(page, { url: urls[0], sha256: 'ab'.repeat(32) }, { cache }), 'checksum_mismatch');
        assert.equal(details['expected'], 'ab'.repeat(32));
      }
      assert.deepEqual(await page.evaluate(() => gemmaWeb.cache.list()), []);
    });
  });

  describe('shards', () => {
    it('are found from the address of the first, and stored', async () => {
      const outcome = await load(real, shardUrls[0] ?? '');
      assertRight(outcome);
      assert.equal(outcome.cache?.stored && outcome.cache.ids.length, 3);
      assert.equal(outcome.progress.at(-1)?.loaded, shards.reduce((sum, { length }) => sum + length, 0));
      const again = await download(page, shardUrls);
      assert.equal(again.error, null, JSON.stringify(again.error));
      assert.equal(again.progress.at(-1)?.cached, again.progress.at(-1)?.total);
      await clearCache(page);
    });

    it('are a list of files too', async () => {
      assertRight(await load(real, { kind: 'files', urls: shardUrls }));
    });

    it('in the wrong order, or one missing: a typed error', async () => {
      assertError(await load(page, { kind: 'files', urls: [...shardUrls].reverse() }), 'wrong_shard');
      assertError(await load(page, { kind: 'files', urls: shardUrls.slice(0, 2) }), 'wrong_shard');
    });
  });
});

/** All bytes of the origin's private files, as text. */
function everythingStored(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const texts: string[] = [];
    const visit = async (folder: FileSystemDirectoryHandle & { values?(): AsyncIterable<FileSystemHandle> }): Promise<void> => {
      for await (const entry of folder.values?.() ?? []) {
        if (entry instanceof FileSystemDirectoryHandle) await visit(entry);
        else if (entry.name !== 'data') texts.push(await (await (entry as FileSystemFileHandle).getFile()).text());
      }
    };
    await visit(await navigator.storage.getDirectory());
    return texts.join('\n');
  });
}
