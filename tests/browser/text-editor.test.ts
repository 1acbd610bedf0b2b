// A base model continues a text: written in turns, changed anywhere, with the tokens counted as they come.

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { answered, press, send, until, waitForText } from './support/app.js';
import { inBothBrowsers } from './support/browsers.js';
import { startSite } from './support/site.js';
import { loadStub, openStubbed } from './support/stubbed-page.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

const MORE = ' there was a keeper of a light who counted the ships.';
const PIECE = 4;
/** The stand-in waits there. */
const HELD = 32;

inBothBrowsers((_, start) => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;
  let problems: string[];

  before(async () => {
    site = await startSite({});
    browser = await start(false);
    ({ page, problems } = await openStubbed(browser, `${site.url}/`, { text: MORE, piece: PIECE, hold: HELD, chat: false }));
    await page.setViewport({ width: 1280, height: 800 });
    await loadStub(page);
  });
  after(() => site.close());

  const prose = (): Promise<string> => page.$eval('div.prose', (element) => element.textContent ?? '');

  it('counts the tokens of what is written exactly, as they come', async () => {
    await send(page, 'Once');
    await until(page, 'the text so far', async () => (await prose()) === `Once${MORE.slice(0, HELD)}`);
    // The stand-in counts a quarter of the letters of what the worker is sent, and each piece is a token.
    const counted = Math.ceil(JSON.stringify({ text: 'Once' }).length / 4) + HELD / PIECE;
    await waitForText(page, '.meter', new RegExp(`^${counted} / 4,096$`));
    await page.keyboard.press('Escape');
    await answered(page);
  });

  it('is changed anywhere: the old text stays as another version', async () => {
    await press(page, /^Edit the text$/);
    await page.waitForSelector('.text-editor textarea');
    assert.equal(await page.$eval('.text-editor textarea', (area) => (area as HTMLTextAreaElement).value), `Once${MORE.slice(0, HELD)}`);
    await page.$eval('.text-editor textarea', (area) => void ((area as HTMLTextAreaElement).value = 'Once, long ago,'));
    await page.focus('.text-editor textarea');
    await page.keyboard.down('Control');
    await page.keyboard.press('Enter');
    await page.keyboard.up('Control');
    await until(page, 'the changed text', async () => (await prose()) === 'Once, long ago,');
    await waitForText(page, '.versions', /2 \/ 2/);
    // What comes before the change is the same turn as before.
    assert.deepEqual(await page.$$eval('.prose span', (spans) => spans.map(({ className, textContent }) => `${className}: ${textContent}`)), ['given: Once', 'given: , long ago,']);
    await press(page, /^Previous version/);
    await until(page, 'the old text', async () => (await prose()) === `Once${MORE.slice(0, HELD)}`);
  });

  it('Esc leaves the text as it was', async () => {
    await press(page, /^Edit the text$/);
    await page.waitForSelector('.text-editor textarea');
    await page.$eval('.text-editor textarea', (area) => void ((area as HTMLTextAreaElement).value = 'Nothing of it'));
    await page.focus('.text-editor textarea');
    await page.keyboard.press('Escape');
    await until(page, 'the text', async () => (await prose()) === `Once${MORE.slice(0, HELD)}`);
    assert.deepEqual(problems, []);
  });
});
