// The demo page as a person uses it.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, it } from 'node:test';
import type { Browser, ElementHandle, Page } from 'puppeteer-core';
import { inBothBrowsers, openPage } from './browsers.js';
import { startSite, tinyModels } from './site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

const MODEL = 'tiny-gemma3-q4_k_m.gguf';
const SHOTS = 'www/dist/screenshots';

/** Waits until an element of the page satisfies a condition on its text. */
async function waitForText(page: Page, selector: string, pattern: RegExp): Promise<string> {
  const deadline = Date.now() + 60_000;
  let text = '';
  while (Date.now() < deadline) {
    text = await page.$eval(selector, (element) => element.textContent ?? '');
    if (pattern.test(text)) return text;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${selector} is ${JSON.stringify(text)}, expected ${pattern}`);
}

inBothBrowsers((browserName, start) => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;
  let problems: string[];
  let origins: Set<string>;

  before(async () => {
    const file = tinyModels()[MODEL];
    assert.ok(file);
    site = await startSite({ [MODEL]: file });
    browser = await start();
    ({ page, problems, origins } = await openPage(browser, `${site.url}/`));
    await page.setViewport({ width: 1000, height: 900 });
    await mkdir(SHOTS, { recursive: true });
  });
  after(() => site.close());

  it('offers the model of its server, loads it, and continues a text', async () => {
    await waitForText(page, '#status', /ready to load/);
    assert.equal(await page.$eval('#generate', (button) => (button as HTMLButtonElement).disabled), true);
    await page.click('#load');
    await waitForText(page, '#status', /context of \d+ tokens/);
    await page.$eval('#max-tokens', (input) => void ((input as HTMLInputElement).value = '40'));
    await page.$eval('#seed', (input) => void ((input as HTMLInputElement).value = '5'));
    await page.click('#generate');
    await waitForText(page, '#figures', /tokens\/s; /);
    const first = await page.$eval('#output', (element) => element.textContent ?? '');
    assert.ok(first.startsWith('The capital of France is') && first.length > 30, first);
    await page.screenshot({ path: `${SHOTS}/${browserName}.png`, fullPage: true });
  });

  it('stops when asked to, and goes on afterwards', async () => {
    await page.$eval('#max-tokens', (input) => void ((input as HTMLInputElement).value = '1500'));
    await page.$eval('#temperature', (input) => void ((input as HTMLInputElement).value = '2'));
    await page.click('#generate');
    await waitForText(page, '#generated', /../);
    await page.click('#stop');
    await waitForText(page, '#figures', /^Stopped after \d+ tokens/);
    await page.$eval('#max-tokens', (input) => void ((input as HTMLInputElement).value = '2'));
    await page.click('#generate');
    await waitForText(page, '#figures', /tokens\/s; /);
  });

  it('loads a file from the disk, and keeps what came from a server', async () => {
    assert.match(await page.$eval('#status', (element) => element.textContent ?? ''), /kept on this device/);
    const input = (await page.$('#file')) as ElementHandle<HTMLInputElement>;
    await input.uploadFile(tinyModels()[MODEL] ?? '');
    await waitForText(page, '#status', /context of \d+ tokens.*not kept: it is read in place/);
  });

  it('shows what is wrong with an address', async () => {
    await page.$eval('#address', (input) => void ((input as HTMLInputElement).value = '/nothing-here.gguf'));
    await page.click('#load');
    await waitForText(page, '#status', /404.*\(http\)/);
    assert.equal(await page.$eval('#status', (element) => element.className), 'bad');
    assert.equal(await page.$eval('#generate', (button) => (button as HTMLButtonElement).disabled), true);
  });

  it('asks nobody but its own server, and leaves no error on the console', () => {
    // The 404 above is reported by the browser itself.
    assert.deepEqual(problems.filter((problem) => !problem.includes('404')), []);
    assert.deepEqual([...origins], [site.url]);
  });
});
