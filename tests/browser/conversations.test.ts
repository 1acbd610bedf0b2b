// Conversations: edited, branched, found, saved as files and read back, deleted.

import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { Browser, ElementHandle, Page } from 'puppeteer-core';
import { answered, fill, press, send, until, waitForText } from './app.js';
import { inBothBrowsers } from './browsers.js';
import { startSite } from './site.js';
import { loadStub, openStubbed } from './stubbed.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

inBothBrowsers((_, start) => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;
  let problems: string[];

  const texts = (selector: string): Promise<string[]> => page.$$eval(selector, (found) => found.map((element) => element.textContent ?? ''));
  const titles = (): Promise<string[]> => texts('.conversations a');

  before(async () => {
    site = await startSite({});
    browser = await start(false);
    ({ page, problems } = await openStubbed(browser, `${site.url}/`, { text: 'An answer with **weight**.', piece: 5, perTick: 3 }));
    await page.setViewport({ width: 1280, height: 800 });
    await loadStub(page);
  });
  after(() => site.close());

  it('sends an edited message beside the old one', async () => {
    await send(page, 'First question');
    await answered(page);
    await send(page, 'Second question');
    await answered(page);
    await press(page, /^Edit$/);
    await fill(page, '.editor textarea', 'First question, put better');
    await page.focus('.editor textarea');
    await page.keyboard.press('Enter');
    await until(page, 'the new branch', async () => (await texts('.bubble')).join('|') === 'First question, put better');
    await answered(page);
    await press(page, /^Previous version/);
    await until(page, 'the old branch', async () => (await texts('.bubble')).join('|') === 'First question|Second question');
  });

  it('branches into a conversation of its own', async () => {
    await press(page, /^Branch from here$/);
    await until(page, 'two conversations', async () => (await titles()).length === 2);
    assert.deepEqual(await texts('.bubble'), ['First question']);
    await send(page, 'Only over here');
    await answered(page);
  });

  it('finds what was said', async () => {
    await fill(page, 'input[type=search]', 'only OVER');
    await until(page, 'one conversation', async () => (await titles()).length === 1);
    await fill(page, 'input[type=search]', 'nowhere at all');
    await waitForText(page, '.conversations', /Nothing found/);
    await fill(page, 'input[type=search]', '');
    await until(page, 'all again', async () => (await titles()).length === 2);
  });

  // The browser closes a dialog at once and sends `close` later, in Chromium by a millisecond or more.
  it('opens a panel again before the browser has told that it closed', async () => {
    const opensAgain = async (opener: string, dialog: string): Promise<void> => {
      await page.evaluate((button) => document.querySelector<HTMLButtonElement>(button)?.click(), opener);
      await page.waitForSelector(`${dialog}[open]`);
      await page.evaluate(
        (button, panel) => {
          document.querySelector<HTMLDialogElement>(panel)?.close();
          document.querySelector<HTMLButtonElement>(button)?.click();
        },
        opener,
        dialog,
      );
      await page.waitForSelector(`${dialog}[open]`, { timeout: 5000 });
      // It stays, and the next Esc closes it.
      await page.evaluate(() => new Promise((done) => setTimeout(done, 100)));
      assert.equal((await page.$$(`${dialog}[open]`)).length, 1);
      await page.keyboard.press('Escape');
      await page.waitForSelector(`${dialog}:not([open])`);
    };
    await opensAgain('.composer .icon-button', 'dialog.side');
    await opensAgain('.conversations .icon-button[aria-label^="Delete"]', '.wide-only dialog.confirm');
  });

  it('reads back what it saved, as JSON and as Markdown', async () => {
    const saved: Record<string, string> = {};
    for (const [name, button] of [['all.json', /^Export all as JSON$/], ['one.md', /^Export this as Markdown$/]] as const) {
      await page.evaluate(() => {
        URL.createObjectURL = (blob) => (void (blob as Blob).text().then((text) => void ((globalThis as { saved?: string }).saved = text)), '#');
        HTMLAnchorElement.prototype.click = () => undefined;
        delete (globalThis as { saved?: string }).saved;
      });
      await page.evaluate(() => document.querySelector<HTMLButtonElement>('.composer .icon-button')?.click());
      await press(page, button);
      saved[name] = await until(page, 'the file', () => page.evaluate(() => (globalThis as { saved?: string }).saved));
      await page.keyboard.press('Escape');
    }
    assert.match(saved['one.md'] ?? '', /<!-- user -->\nOnly over here\n\n<!-- assistant -->\nAn answer with \*\*weight\*\*/);
    const folder = mkdtempSync(join(tmpdir(), 'gemma-web-import-'));
    await page.reload({ waitUntil: 'load' });
    await press(page, /^Settings$/);
    for (const [name, found] of [['all.json', /2 conversations imported/], ['one.md', /1 conversation imported/], ['wrong.json', /could not be imported: it is no file of conversations/]] as const) {
      writeFileSync(join(folder, name), saved[name] ?? '{"a":1}');
      const input = (await page.$('#import')) as ElementHandle<HTMLInputElement>;
      await input.uploadFile(join(folder, name));
      await waitForText(page, '.sheet [role=status]', found);
    }
    await page.keyboard.press('Escape');
    await until(page, 'five conversations', async () => (await titles()).length === 5);
  });

  it('deletes one, and all, after asking', async () => {
    await press(page, /^Delete: First question/);
    await press(page, /^Cancel$/, 'dialog[open]');
    await press(page, /^Delete: First question/);
    await press(page, /^Delete$/, 'dialog[open]');
    await until(page, 'four conversations', async () => (await titles()).length === 4);
    await press(page, /^Settings$/);
    await press(page, /^Delete all$/, 'dialog[open]');
    await press(page, /^Delete$/, 'dialog.confirm[open]');
    await until(page, 'none', async () => (await titles()).length === 0);
    await page.reload({ waitUntil: 'load' });
    await waitForText(page, '.conversations', /kept here/);
    assert.deepEqual(problems, []);
  });
});
