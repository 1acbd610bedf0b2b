// Two tabs of the chat page: the same conversations and the same model.

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { answered, loadOffered, openApp, press, send, texts, until, waitForText } from './support/app.js';
import { CHAT, chatModels } from './support/tiny-model.js';
import { inBothBrowsers } from './support/browsers.js';
import { startSite } from './support/site.js';
import { loadStub, openStubbed } from './support/stubbed-page.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

const ANSWER = 'An answer of some length, so that it takes its time to be written. '.repeat(12);

inBothBrowsers((_, start) => {
  let site: StaticServer;
  let browser: Browser;
  let one: Page;
  let two: Page;

  before(async () => {
    site = await startSite(chatModels());
    // Background tabs get one timer a second there, and soon fewer.
    browser = await start(true, { 'dom.min_background_timeout_value': 4, 'dom.timeout.enable_budget_timer_throttling': false });
    const open = async (): Promise<Page> => (await openStubbed(browser, `${site.url}/`, { text: ANSWER, piece: 4, everyMs: 12, perTick: 2 })).page;
    [one, two] = [await open(), await open()];
    for (const page of [one, two]) {
      await page.setViewport({ width: 1280, height: 800 });
      await loadStub(page);
    }
  });
  after(() => site.close());

  it('what one writes is in the other, without a reload', async () => {
    // Firefox draws only the tab in front.
    await one.bringToFront();
    await send(one, 'Asked in the first tab');
    await answered(one);
    await two.bringToFront();
    await press(two, /^Asked in the first tab/, '.conversations');
    await waitForText(two, '.bubble', /Asked in the first tab/);
    await waitForText(two, '.markdown', new RegExp(`(?:${ANSWER.slice(0, 66)}.?){12}`));
    await waitForText(two, '.turn-figures', /tokens\/s/);
    await send(two, 'Asked in the second tab');
    await answered(two);
    // Each tab stays at its branch, and that branch has both questions.
    await one.bringToFront();
    await one.reload({ waitUntil: 'load' });
    await until(one, 'both questions', async () => (await texts(one, '.bubble')).join('|') === 'Asked in the first tab|Asked in the second tab');
  });

  it('both write at once, and nothing of either is lost', async () => {
    await one.waitForSelector('#message', { timeout: 30_000 });
    await send(one, 'At once, in the first');
    await send(two, 'At once, in the second');
    await answered(one);
    await two.bringToFront();
    await answered(two);
    for (const page of [one, two]) {
      await page.bringToFront();
      await page.reload({ waitUntil: 'load' });
      await waitForText(page, '.versions', /[12] \/ 2/);
    }
    const json = await one.evaluate(
      () =>
        new Promise<string>((done) => {
          indexedDB.open('gemma-web').onsuccess = ({ target }) => {
            const all = (target as IDBOpenDBRequest).result.transaction('turns').objectStore('turns').getAll();
            all.onsuccess = () => done(JSON.stringify(all.result));
          };
        }),
    );
    const [turns = []] = JSON.parse(json) as { role: string; text: string; ending?: string }[][];
    assert.deepEqual(turns.map(({ role }) => role).sort(), ['assistant', 'assistant', 'assistant', 'assistant', 'user', 'user', 'user', 'user']);
    for (const { role, text, ending } of turns) if (role === 'assistant') assert.deepEqual([text, ending], [ANSWER, 'stop']);
  });

  it('what one renames and deletes is renamed and gone in the other', async () => {
    await one.bringToFront();
    await press(one, /^Rename: Asked in the first tab/);
    await one.waitForSelector('.renaming');
    await one.keyboard.type('A better title');
    await one.keyboard.press('Enter');
    await two.bringToFront();
    await waitForText(two, '.conversations a', /^A better title$/);
    await until(two, 'the title of the tab', async () => /^A better title · /.test(await two.title()));
    await one.bringToFront();
    await press(one, /^Delete: A better title/);
    await press(one, /^Delete$/, 'dialog[open]');
    await two.bringToFront();
    await until(two, 'an empty list', async () => (await texts(two, '.conversations a')).length === 0);
    await until(two, 'another screen', () => two.evaluate(() => !document.querySelector('.bubble')));
  });

  it('load the same model, and both answer', async () => {
    await one.evaluate(() => localStorage.clear());
    const open = async (): Promise<Page> => (await openApp(browser, `${site.url}/`, { maxTokens: 6, contextLength: 128 })).page;
    const pages = [await open(), await open()];
    for (const page of pages) {
      await page.bringToFront();
      await loadOffered(page, new RegExp(CHAT.replace('.gguf', '')));
    }
    for (const page of pages) await send(page, 'The same model');
    for (const page of pages) {
      await page.bringToFront();
      await answered(page);
      await waitForText(page, '.turn-figures', /(?:^|\D)[1-6] tokens?/);
    }
  });
});
