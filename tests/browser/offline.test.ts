// The chat page as an app: it works without its server, and a new version replaces it as a whole when the reader agrees.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { answered, controlled, loadOffered, openApp, press, send, until, waitForText } from './support/app.js';
import { CHAT, chatModels } from './support/tiny-model.js';
import { inBothBrowsers } from './support/browsers.js';
import { ROOT } from './support/site.js';
import { startServer, type StaticServer } from '../../www/tools/serve.mjs';

interface Icon {
  readonly src: string;
  readonly sizes: string;
  readonly purpose?: string;
}

inBothBrowsers((_, start) => {
  let folder: string;
  let site: StaticServer;
  let browser: Browser;
  let page: Page;
  const models = chatModels();

  before(async () => {
    folder = join(mkdtempSync(join(tmpdir(), 'gemma-web-site-')), 'site');
    cpSync(join(ROOT, 'dist/site'), folder, { recursive: true });
    site = await startServer({ mounts: { '/': folder }, models });
    browser = await start();
    ({ page } = await openApp(browser, `${site.url}/`, { maxTokens: 12, contextLength: 256 }));
  });
  after(() => site.close());

  it('has what installing takes: a manifest with a name, a start, icons of the right sizes', async () => {
    const manifest = await page.evaluate(async () => {
      const link = document.querySelector<HTMLLinkElement>('link[rel="manifest"]');
      return (await (await fetch(link?.href ?? '')).json()) as Record<string, unknown> & { icons: Icon[] };
    });
    for (const field of ['name', 'short_name', 'start_url', 'scope', 'id', 'description', 'theme_color', 'background_color']) {
      assert.ok(typeof manifest[field] === 'string' && manifest[field] !== '', field);
    }
    assert.equal(manifest['display'], 'standalone');
    assert.ok(manifest.icons.some(({ purpose }) => purpose === 'maskable'));
    for (const { src, sizes } of manifest.icons.filter((icon) => icon.src.endsWith('.png'))) {
      const width = readFileSync(join(folder, src)).readUInt32BE(16);
      assert.equal(`${width}x${width}`, sizes, src);
    }
  });

  it('is whole on this device after the first visit, the engine included', async () => {
    await controlled(page);
    const kept = await page.evaluate(async () => {
      const names = await caches.keys();
      const all = await Promise.all(names.map(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname)));
      return all.flat();
    });
    for (const part of [/index\.html$/, /bench\.html$/, /\.wasm$/, /worker-.*\.js$/, /manifest\.webmanifest$/]) assert.ok(kept.some((path) => part.test(path)), `${part} in ${kept}`);
    assert.ok(!kept.some((path) => path.endsWith('.gguf')), 'models are not its business');
    assert.ok(!kept.some((path) => /inline-engine-.*\.js$/.test(path)), 'nor is what only browsers without workers use');
  });

  it('answers, asks for nothing after the model is loaded, and goes on with its server gone', async () => {
    await loadOffered(page, new RegExp(CHAT.replace('.gguf', '')));
    await controlled(page);
    const asked = site.requests.length;
    await send(page, 'With a network');
    await answered(page);
    // Browsers look from time to time whether the page itself has a new version.
    assert.deepEqual(site.requests.slice(asked).filter(({ path }) => !/^\/(?:sw|workbox-\w+)\.js$/.test(path)), []);
    await site.close();
    await page.reload({ waitUntil: 'load' });
    await waitForText(page, '.bubble', /With a network/);
    await page.waitForSelector('#message', { timeout: 60_000 });
    await send(page, 'Without a network');
    await answered(page);
    assert.equal((await page.$$('.turn-figures')).length, 2);
  });

  it('offers a new version, and takes it over when told to', async () => {
    const html = readFileSync(join(folder, 'index.html'), 'utf8');
    writeFileSync(join(folder, 'index.html'), html.replace('<title>gemma-web</title>', '<title>gemma-web, newer</title>'));
    const worker = readFileSync(join(folder, 'sw.js'), 'utf8');
    writeFileSync(join(folder, 'sw.js'), worker.replace(/(url:"index\.html",revision:")[0-9a-f]+/, '$1feed').replace(/("?revision"?:"?)[0-9a-f]+("?,"?url"?:"index\.html)/, '$1feed$2'));
    assert.notEqual(readFileSync(join(folder, 'sw.js'), 'utf8'), worker);
    const port = Number(new URL(site.url).port);
    site = await startServer({ mounts: { '/': folder }, models, port });
    await page.reload({ waitUntil: 'load' });
    await until(page, 'the old version', async () => (await page.title()).endsWith(' · gemma-web'));
    await waitForText(page, '.notice', /new version/);
    await press(page, /^Update now$/);
    await until(page, 'the new version', async () => (await page.title()).endsWith(' · gemma-web, newer'));
    await waitForText(page, '.bubble', /Without a network/);
  });
});
