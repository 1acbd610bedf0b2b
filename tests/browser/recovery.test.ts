// The loss of the graphics card under the chat page: a notice appears, and the answer continues. If the card does not come back, the page
// tells how to continue.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { answered, loadOffered, press, send, texts, until, waitForText, withSettings } from './support/app.js';
import { CHAT, chatModels } from './support/tiny-model.js';
import { inBothBrowsers, openPage } from './support/browsers.js';
import { ROOT, startSite } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

// Globals of the page of these tests.
declare global {
  /** Destroys all devices of the worker after a number of submissions; resolves once the worker counts them. */
  var loseAfter: (submissions: number) => Promise<void>;
  /** The fate of the devices that are created next. */
  var fate: 'keep' | 'destroy';
  /** Every notice that was ever shown. */
  var notices: string;
}

// The device goes away in the midst of an answer: a token takes one submission. Nobody watches the answer grow for that, since on a busy
// machine it would have ended before anyone looked. Greedily, no token ends it earlier.
const TOKENS = 40;
const SUBMISSIONS = 25;

const GPU = readFileSync(join(ROOT, 'tests/browser/page/workers/gpu.js'), 'utf8');

inBothBrowsers((_, start) => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;

  before(async () => {
    // The page's own worker, with a GPU that can be taken away.
    site = await startSite(chatModels(), ({ url = '' }, response) => {
      const [, path] = /^(\/assets\/worker-[^?]*\.js)/.exec(url) ?? [];
      if (path === undefined) return false;
      response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(`{\n${GPU}\n}\n${readFileSync(join(ROOT, 'dist/site', path), 'utf8')}`);
      return true;
    });
    browser = await start();
    ({ page } = await openPage(browser, 'about:blank'));
    await withSettings(page, { maxTokens: TOKENS, contextLength: 256, sampling: { temperature: 0 } });
    await page.evaluateOnNewDocument(() => {
      const channel = new BroadcastChannel('gpu');
      globalThis.fate = 'keep';
      globalThis.notices = '';
      let counts: () => void;
      channel.onmessage = ({ data }) => (data === 'counting' ? counts() : channel.postMessage(globalThis.fate));
      globalThis.loseAfter = (submissions) =>
        new Promise((resolve) => {
          counts = resolve;
          channel.postMessage(submissions);
        });
      const note = (): void => {
        const said = document.querySelector('.notices')?.textContent ?? '';
        if (said !== '' && !globalThis.notices.includes(said)) globalThis.notices += `${said}\n`;
      };
      addEventListener('DOMContentLoaded', () => new MutationObserver(note).observe(document.body, { childList: true, subtree: true, characterData: true }));
    });
    await page.goto(`${site.url}/`, { waitUntil: 'load' });
    await loadOffered(page, new RegExp(CHAT.replace('.gguf', '')));
  });
  after(() => site.close());

  const figures = (): Promise<string[]> => texts(page, '.turn-figures');

  it('is shown, and the answer goes on by itself', async () => {
    await page.evaluate((submissions) => loseAfter(submissions), SUBMISSIONS);
    await send(page, 'A long story');
    await until(page, 'the notice', () => page.evaluate(() => /graphics card went away.*is loading again/.test(globalThis.notices)));
    await answered(page);
    assert.match((await figures())[0] ?? '', new RegExp(`tokens/s.*${TOKENS} tokens`));
    assert.ok(!/error/.test((await figures())[0] ?? ''), String(await figures()));
    await until(page, 'the notice gone', () => page.evaluate(() => !/graphics card/.test(document.querySelector('.notices')?.textContent ?? '')));
  });

  it('that does not come back: what was written stays, and the model can be loaded again', async () => {
    await page.evaluate((submissions) => {
      globalThis.fate = 'destroy';
      return loseAfter(submissions);
    }, SUBMISSIONS);
    await send(page, 'Another one');
    await waitForText(page, '.problem', /graphics card stopped working/);
    await waitForText(page, '.turn-figures', /ended by an error/);
    await page.evaluate(() => void (globalThis.fate = 'keep'));
    await press(page, /^Load tiny-gemma3-chat/, '.composer-notice');
    await page.waitForSelector('#message', { timeout: 60_000 });
    await send(page, 'Once more');
    await answered(page);
    assert.match((await figures()).at(-1) ?? '', /tokens/);
  });
});
