// Isolation: pages with Trusted Types, secrets that are neither shown nor kept, addresses that try to leave their place.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { inBothBrowsers, openPage } from './support/browsers.js';
import { type FaultServer, startFaultServer } from './support/faulty-server.js';
import { download, load, MODEL, openForBytes, spreadModel } from './support/loads.js';
import { modelUrl, startSite, TINY } from './support/site.js';
import { join } from 'node:path';
import type { StaticServer } from '../../www/tools/serve.mjs';

/** Scripts of the origin, WebAssembly, and no `eval`; then the directives that a page adds. */
const policy = (more: string): string => `default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src *; img-src 'self' data:; ${more}`;
const TRUSTED = "require-trusted-types-for 'script'";

inBothBrowsers((browserName, start) => {
  let browser: Browser;
  let server: FaultServer;

  before(async () => {
    browser = await start();
    server = await startFaultServer();
  });
  after(() => server.close());

  describe('Trusted Types', () => {
    const at = async <T>(more: string, use: (page: Page, url: string, problems: string[]) => Promise<T>): Promise<T> => {
      const site: StaticServer = await startSite({ [MODEL]: join(TINY, MODEL) }, undefined, { 'Content-Security-Policy': policy(more) });
      try {
        const { page, problems } = await openPage(browser, `${site.url}/test/`);
        const result = await use(page, modelUrl(site, MODEL), problems);
        await page.close();
        return result;
      } finally {
        await site.close();
      }
    };
    /** Loads and generates, once in workers that are kept and once without. */
    const works = async (page: Page, url: string, options = {}): Promise<void> => {
      const outcome = await load(page, url, options);
      assert.equal(outcome.error, null, JSON.stringify(outcome.error));
      assert.ok(outcome.tokens.length > 0);
    };

    it('a page that requires them and allows the policy gemma-web, and nothing else', () =>
      at(`${TRUSTED}; trusted-types gemma-web`, async (page, url, problems) => {
        await works(page, url);
        const after = await page.evaluate(() => ({
          worker: Function.prototype.toString.call(Worker).includes('[native code]'),
          refused: (() => {
            try {
              new Worker('/test/workers/idle-kernels.js');
              return '';
            } catch (thrown) {
              return String(thrown);
            }
          })(),
          required: 'trustedTypes' in globalThis,
        }));
        assert.ok(after.worker, "the page's Worker is what it was");
        assert.equal(after.refused !== '', after.required, 'the policy is for our own workers only');
        // The one attempt of the test itself is reported.
        assert.deepEqual(problems.filter((problem) => !problem.includes('idle-kernels') && !problem.includes('TrustedScriptURL')), []);
      }));

    it('two models on one page need the policy once', () =>
      at(`${TRUSTED}; trusted-types gemma-web`, async (page, url, problems) => {
        const texts = await page.evaluate(async (address) => {
          const options = { tuning: 'int8/1', kv: 'f32', contextLength: 64 } as const;
          const models = [await gemmaWeb.loadGemma(address, options), await gemmaWeb.loadGemma(address, options)];
          for (const model of models) model.dispose();
          return models.length;
        }, url);
        assert.equal(texts, 2);
        assert.deepEqual(problems, []);
      }));

    it('a page that allows no policy: an error that says what to allow, and no worker where none is wanted', () =>
      at(`${TRUSTED}; trusted-types 'none'`, async (page, url) => {
        const { error } = await load(page, url);
        if (await page.evaluate(() => 'trustedTypes' in globalThis)) {
          assert.equal(error?.code, 'unsupported', error?.message);
          assert.match(error.message, /trusted-types gemma-web.*worker: false/);
        } else {
          assert.equal(error, null, 'a browser without them requires nothing');
        }
        await works(page, url, { worker: false });
      }));
  });

  describe('secrets', () => {
    const SECRETS = ['s3cret-in-a-header', 's3cret-token', 's3cret-in-the-query', 's3cret-behind-a-hash'];
    const [inHeader, token, inQuery, inHash] = SECRETS as [string, string, string, string];
    let site: StaticServer;
    let page: Page;
    const said: string[] = [];

    before(async () => {
      site = await startSite({});
      page = await openForBytes(browser, browserName, site.url);
      page.on('console', (message) => said.push(message.text()));
      page.on('pageerror', (error) => said.push(String(error)));
    });
    after(() => site.close());

    it('of headers, tokens and addresses are sent to the server, and found nowhere else', async () => {
      const file = server.add('secret.gguf', spreadModel(5 << 20));
      const source = { url: `${file.url}?signature=${inQuery}#${inHash}`, headers: { 'X-Key': inHeader, Authorization: `Bearer ${token}` } };
      const outcomes = [await download(page, source), await download(page, source)];
      const kept = await page.evaluate(everythingKept);
      // … and of loads that fail: no such file, a wrong checksum, a file that breaks off, an address that is none.
      const failing = [
        { ...source, url: `${server.url}/none.gguf?signature=${inQuery}` },
        { ...source, sha256: '00'.repeat(32) },
        { ...source, url: `https://user:${inQuery}@127.0.0.1/x.gguf` },
        { ...source, url: `http://[/m.gguf?signature=${inQuery}` },
        { url: file.url, token },
      ];
      for (const wrong of failing) outcomes.push(await download(page, wrong));
      assert.deepEqual(outcomes.slice(0, 2).map(({ error }) => error), [null, null]);
      assert.ok(outcomes.slice(2).every(({ error }) => error !== null));
      assert.ok(file.requests.some(({ headers }) => headers['x-key'] === inHeader && headers.authorization === `Bearer ${token}`), 'the headers were sent');
      kept.push(...(await page.evaluate(everythingKept)));
      assert.ok(kept.some(({ text }) => text.includes('GEMMAWEB')), 'the entry is there');
      for (const secret of SECRETS) {
        for (const { where, text } of kept) assert.ok(!text.includes(secret) && !where.includes(secret), `${where} holds ${secret}`);
        for (const { error, progress } of outcomes) {
          assert.ok(!JSON.stringify([error, progress]).includes(secret), `${JSON.stringify(error)} shows ${secret}`);
        }
        assert.ok(!said.some((line) => line.includes(secret) && !fromTheBrowser(line)), `the console shows ${secret}: ${said.join('\n')}`);
      }
    });

    it("addresses that look like paths are entries like all others, and ids that do are nobody's", async () => {
      const bytes = spreadModel(5 << 20);
      const names = ['..%2F..%2Fsessions%2Fx.gguf', '%2e%2e%5c%2e%2e%5cx.gguf', 'sessions', 'con%00.gguf', '100%25.gguf', '100%.gguf', `${'n'.repeat(900)}.gguf`];
      for (const name of names) {
        const { error } = await download(page, server.add(name, bytes).url);
        assert.equal(error, null, `${name}: ${JSON.stringify(error)}`);
      }
      const found = await page.evaluate(async () => {
        const root = await navigator.storage.getDirectory();
        const sessions = await (await root.getDirectoryHandle('gemma-web')).getDirectoryHandle('sessions', { create: true });
        await sessions.getFileHandle('61.session', { create: true });
        const foreign: unknown[] = [];
        for (const id of ['sessions', '..', '../gemma-web', '.', '', 'A'.repeat(32), 'sessions/61.session']) {
          for (const call of [gemmaWeb.cache.delete(id), gemmaWeb.cache.export(id), gemmaWeb.cache.verify(id)]) {
            foreign.push(await call.then(String, (error: { code: unknown }) => error.code));
          }
        }
        const entries = await gemmaWeb.cache.list();
        const exported = await Promise.all(entries.map(async ({ id }) => (await gemmaWeb.cache.export(id)).name));
        const top: string[] = [];
        for await (const name of (root as unknown as { keys(): AsyncIterable<string> }).keys()) top.push(name);
        const inside: string[] = [];
        const folder = (await root.getDirectoryHandle('gemma-web')) as unknown as { keys(): AsyncIterable<string> };
        for await (const name of folder.keys()) inside.push(name);
        return { top, inside, exported, foreign, sessions: await gemmaWeb.savedSessions.list() };
      });
      assert.deepEqual(found.top.filter((name) => name !== 'gemma-web-tuning.json'), ['gemma-web'], 'nothing outside of our folder');
      assert.ok(found.inside.every((name) => name === 'sessions' || /^[0-9a-f]{32}$/.test(name)), found.inside.join());
      assert.ok(found.exported.length >= names.length && found.exported.every((name) => !/[/\\\0]|^\./.test(name)), found.exported.join());
      assert.ok(found.foreign.every((answer) => answer === 'invalid_option'), found.foreign.join());
      assert.deepEqual(found.sessions, [{ name: 'a', size: 0 }], 'a saved session is no entry of the cache');
      await page.evaluate(async () => {
        await gemmaWeb.cache.clear();
        await gemmaWeb.savedSessions.clear();
      });
    });
  });
});

/** Browsers report a request that failed, with its address, by themselves; no page can prevent it. */
const fromTheBrowser = (line: string): boolean => /Failed to load resource|Cross-Origin Request|blocked by CORS|net::ERR|\[JavaScript (Error|Warning)/.test(line);

/** Files, caches and storage of the origin, as text. */
async function everythingKept(): Promise<{ where: string; text: string }[]> {
  const kept: { where: string; text: string }[] = [];
  type Folder = FileSystemDirectoryHandle & { entries(): AsyncIterable<[string, FileSystemHandle]> };
  const walk = async (folder: Folder, path: string): Promise<void> => {
    for await (const [name, handle] of folder.entries()) {
      if (handle.kind === 'directory') await walk(handle as Folder, `${path}/${name}`);
      else kept.push({ where: `${path}/${name}`, text: new TextDecoder('latin1').decode(await (await (handle as FileSystemFileHandle).getFile()).arrayBuffer()) });
    }
  };
  await walk((await navigator.storage.getDirectory()) as Folder, 'files');
  for (const name of await caches.keys()) {
    for (const { url } of await (await caches.open(name)).keys()) kept.push({ where: `caches/${name}`, text: url });
  }
  for (const storage of [localStorage, sessionStorage]) kept.push({ where: 'storage', text: JSON.stringify({ ...storage }) });
  for (const { name } of await indexedDB.databases()) kept.push({ where: `database ${name}`, text: name ?? '' });
  kept.push({ where: 'cookies', text: document.cookie });
  return kept;
}
