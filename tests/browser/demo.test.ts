// The chat page as a person uses it, from the first visit to the conversation that is there after a reload.

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { answered, loadOffered, openApp, press, send, texts, until, waitForText } from './support/app.js';
import { BASE, chatModels } from './support/tiny-model.js';
import { inBothBrowsers } from './support/browsers.js';
import { startSite } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

inBothBrowsers((_, start) => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;
  let problems: string[];
  let origins: Set<string>;

  before(async () => {
    site = await startSite(chatModels());
    browser = await start();
    ({ page, problems, origins } = await openApp(browser, `${site.url}/`, { maxTokens: 24, seed: 5, contextLength: 512 }));
    await page.setViewport({ width: 1280, height: 800 });
  });
  after(() => site.close());

  it('says whether models run here, and what one would take before it is loaded', async () => {
    await waitForText(page, '.verdict', /slow|ready/);
    await press(page, /tiny-gemma3-chat/, '.cards');
    await waitForText(page, '.judgement', /It fits/);
    const facts = await texts(page, '.facts dd');
    assert.match(facts.join('|'), /1\.4 MB.*512 tokens/);
    await press(page, /^Choose another$/);
  });

  it('loads a model and answers, with speed and time', async () => {
    await loadOffered(page, /tiny-gemma3-chat/);
    await send(page, 'The quick brown fox');
    await answered(page);
    assert.equal((await texts(page, '.bubble'))[0], 'The quick brown fox');
    assert.match((await texts(page, '.turn-figures'))[0] ?? '', /tokens\/s.*first token after.*s.*24 tokens/);
    await waitForText(page, '.meter', /[1-9]\d* \/ 512/);
  });

  it('gives another answer, and keeps the first', async () => {
    await press(page, /^Another answer/);
    await answered(page);
    await waitForText(page, '.versions', /2 \/ 2/);
    await press(page, /^Previous version/);
    await waitForText(page, '.versions', /1 \/ 2/);
    assert.match(await page.evaluate(() => location.hash), /^#\/chat\//);
  });

  it('keeps the conversation and loads the model again after a reload', async () => {
    const before = await texts(page, '.markdown');
    await page.reload({ waitUntil: 'load' });
    await waitForText(page, '.bubble', /quick brown fox/);
    assert.deepEqual(await texts(page, '.markdown'), before);
    await page.waitForSelector('#message', { timeout: 60_000 });
    await send(page, 'Another question');
    await answered(page);
    assert.equal((await texts(page, '.bubble')).length, 2);
  });

  it('stops by Esc and keeps what was written', async () => {
    await page.evaluate(() => localStorage.setItem('gemma-web:settings', JSON.stringify({ maxTokens: 400, sampling: { temperature: 2, topK: 0, topP: 1 } })));
    await page.reload({ waitUntil: 'load' });
    await page.waitForSelector('#message', { timeout: 60_000 });
    await send(page, 'A long story');
    await until(page, 'some text', () => page.$eval('.streaming', (element) => (element.textContent ?? '').length > 10));
    await page.keyboard.press('Escape');
    await answered(page);
    assert.match((await texts(page, '.turn-figures')).at(-1) ?? '', /stopped/);
    assert.ok(((await texts(page, '.markdown')).at(-1) ?? '').length > 10);
  });

  it('opens a base model to continue a text', async () => {
    await page.evaluate(() => void (location.hash = '#/models'));
    await loadOffered(page, new RegExp(BASE));
    await waitForText(page, '.empty', /base model/);
    await send(page, 'Once upon a time');
    await answered(page);
    const prose = (await texts(page, '.prose'))[0] ?? '';
    assert.ok(prose.startsWith('Once upon a time') && prose.length > 20, prose);
    // The conversation can't continue with this model, and says so.
    await press(page, /The quick brown fox/, '.conversations');
    await waitForText(page, '.composer-notice', /base model/);
  });

  it('asks nobody but its own server, and leaves no error on the console', () => {
    assert.deepEqual(problems, []);
    assert.deepEqual([...origins].filter((origin) => !['null', `blob:${site.url}`].includes(origin)), [site.url]);
  });
});
