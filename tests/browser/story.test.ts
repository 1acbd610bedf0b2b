// The whole story with the real Gemma 3 270M, which continues texts: a first visit, a load cut off by a reload, a text, a stop, a reload,
// and all of it again without a server.

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { answered, openApp, press, send, until, waitForText } from './support/app.js';
import { inBothBrowsers } from './support/browsers.js';
import { realModel, startSite } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

const file = realModel();

inBothBrowsers((name, start) => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;
  const LOAD_MS = 240_000;

  before(async () => {
    if (file === undefined) return;
    site = await startSite({ 'gemma-3-270m-q4_k_m.gguf': file });
    browser = await start();
    ({ page } = await openApp(browser, `${site.url}/`, { maxTokens: 8, contextLength: 256, sampling: { temperature: 0 } }));
  });
  after(() => site?.close());

  it('is told from the first visit to a page without a server', { skip: file === undefined ? 'GEMMA_WEB_MODEL names no file' : false }, async (context) => {
    await press(page, /gemma-3-270m-q4_k_m/, '.cards');
    await waitForText(page, '.facts', /253 MB/);
    await press(page, /^Download 253 MB and load$/);
    // The interrupted load continues by itself with the missing bytes.
    await until(page, 'some bytes', () => page.evaluate(() => (document.querySelector('progress')?.value ?? 0) > 0.2));
    await page.reload({ waitUntil: 'load' });
    await page.waitForSelector('#message', { timeout: LOAD_MS });
    const fetched = site.requests.filter(({ path }) => path.endsWith('.gguf')).length;

    await send(page, 'The capital of France is');
    await answered(page, LOAD_MS);
    const prose = (): Promise<string> => page.$eval('.prose', (element) => element.textContent ?? '');
    assert.match(await prose(), /^The capital of France is the capital of the country/);
    context.diagnostic(`${name}: ${await page.$eval('.turn-figures', (element) => element.textContent ?? '')}`);
    await press(page, /^Continue$/, '.composer');
    await until(page, 'the way to stop', () => page.$('.send.stop'));
    await page.keyboard.press('Escape');
    await answered(page, LOAD_MS);
    const written = await prose();

    await page.reload({ waitUntil: 'load' });
    await page.waitForSelector('#message', { timeout: LOAD_MS });
    assert.equal(await prose(), written, 'the conversation is there');
    await until(page, 'a service worker', () => page.evaluate(() => navigator.serviceWorker.controller !== null));
    await site.close();
    await page.reload({ waitUntil: 'load' });
    await page.waitForSelector('#message', { timeout: LOAD_MS });
    assert.equal(await prose(), written);
    await press(page, /^Continue$/, '.composer');
    await until(page, 'more text', async () => (await prose()).length > written.length);
    await answered(page, LOAD_MS);
    assert.equal(site.requests.filter(({ path }) => path.endsWith('.gguf')).length, fetched);
  });
});
