// Conversations of the chat page: edited, branched, searched, exported and imported, deleted.

import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import type { ElementHandle } from 'puppeteer-core';
import { answered, fill, press, send, texts, until, waitForText } from './support/app.js';
import { onStubbedPage } from './support/setup.js';

onStubbedPage({ text: 'An answer with **weight**.', piece: 5, perTick: 3, loaded: true }, (tab) => {
  const titles = (): Promise<string[]> => texts(tab.page, '.conversations a');

  it('sends an edited message beside the old one', async () => {
    await send(tab.page, 'First question');
    await answered(tab.page);
    await send(tab.page, 'Second question');
    await answered(tab.page);
    await press(tab.page, /^Edit$/);
    await fill(tab.page, '.editor textarea', 'First question, put better');
    await tab.page.focus('.editor textarea');
    await tab.page.keyboard.press('Enter');
    await until(tab.page, 'the new branch', async () => (await texts(tab.page, '.bubble')).join('|') === 'First question, put better');
    await answered(tab.page);
    await press(tab.page, /^Previous version/);
    await until(tab.page, 'the old branch', async () => (await texts(tab.page, '.bubble')).join('|') === 'First question|Second question');
  });

  it('branches into a conversation of its own', async () => {
    await press(tab.page, /^Branch from here$/);
    await until(tab.page, 'two conversations', async () => (await titles()).length === 2);
    assert.deepEqual(await texts(tab.page, '.bubble'), ['First question']);
    await send(tab.page, 'Only over here');
    await answered(tab.page);
  });

  it('finds what was said', async () => {
    await fill(tab.page, 'input[type=search]', 'only OVER');
    await until(tab.page, 'one conversation', async () => (await titles()).length === 1);
    await fill(tab.page, 'input[type=search]', 'nowhere at all');
    await waitForText(tab.page, '.conversations', /Nothing found/);
    await fill(tab.page, 'input[type=search]', '');
    await until(tab.page, 'all again', async () => (await titles()).length === 2);
  });

  // The browser closes a dialog at once and sends `close` later, in Chromium by a millisecond or more.
  it('opens a panel again before the browser has told that it closed', async () => {
    const opensAgain = async (opener: string, dialog: string): Promise<void> => {
      await tab.page.evaluate((button) => document.querySelector<HTMLButtonElement>(button)?.click(), opener);
      await tab.page.waitForSelector(`${dialog}[open]`);
      await tab.page.evaluate(
        (button, panel) => {
          document.querySelector<HTMLDialogElement>(panel)?.close();
          document.querySelector<HTMLButtonElement>(button)?.click();
        },
        opener,
        dialog,
      );
      await tab.page.waitForSelector(`${dialog}[open]`, { timeout: 5000 });
      // It stays, and the next Esc closes it.
      await tab.page.evaluate(() => new Promise((done) => setTimeout(done, 100)));
      assert.equal((await tab.page.$$(`${dialog}[open]`)).length, 1);
      await tab.page.keyboard.press('Escape');
      await tab.page.waitForSelector(`${dialog}:not([open])`);
    };
    await opensAgain('.composer .icon-button', 'dialog.side');
    await opensAgain('.conversations .icon-button[aria-label^="Delete"]', '.wide-only dialog.confirm');
  });

  it('reads back what it saved, as JSON and as Markdown', async () => {
    const saved: Record<string, string> = {};
    for (const [name, button] of [['all.json', /^Export all as JSON$/], ['one.md', /^Export this as Markdown$/]] as const) {
      await tab.page.evaluate(() => {
        URL.createObjectURL = (blob) => (void (blob as Blob).text().then((text) => void ((globalThis as { saved?: string }).saved = text)), '#');
        HTMLAnchorElement.prototype.click = () => undefined;
        delete (globalThis as { saved?: string }).saved;
      });
      await tab.page.evaluate(() => document.querySelector<HTMLButtonElement>('.composer .icon-button')?.click());
      await press(tab.page, button);
      saved[name] = await until(tab.page, 'the file', () => tab.page.evaluate(() => (globalThis as { saved?: string }).saved));
      await tab.page.keyboard.press('Escape');
    }
    assert.match(saved['one.md'] ?? '', /<!-- user -->\nOnly over here\n\n<!-- assistant -->\nAn answer with \*\*weight\*\*/);
    const folder = mkdtempSync(join(tmpdir(), 'gemma-web-import-'));
    await tab.page.reload({ waitUntil: 'load' });
    await press(tab.page, /^Settings$/);
    for (const [name, found] of [['all.json', /2 conversations imported/], ['one.md', /1 conversation imported/], ['wrong.json', /could not be imported: it does not contain conversations/]] as const) {
      writeFileSync(join(folder, name), saved[name] ?? '{"a":1}');
      const input = (await tab.page.$('#import')) as ElementHandle<HTMLInputElement>;
      await input.uploadFile(join(folder, name));
      await waitForText(tab.page, '.sheet [role=status]', found);
    }
    await tab.page.keyboard.press('Escape');
    await until(tab.page, 'five conversations', async () => (await titles()).length === 5);
  });

  it('deletes one, and all, after asking', async () => {
    await press(tab.page, /^Delete: First question/);
    await press(tab.page, /^Cancel$/, 'dialog[open]');
    await press(tab.page, /^Delete: First question/);
    await press(tab.page, /^Delete$/, 'dialog[open]');
    await until(tab.page, 'four conversations', async () => (await titles()).length === 4);
    await press(tab.page, /^Settings$/);
    await press(tab.page, /^Delete all$/, 'dialog[open]');
    await press(tab.page, /^Delete$/, 'dialog.confirm[open]');
    await until(tab.page, 'none', async () => (await titles()).length === 0);
    await tab.page.reload({ waitUntil: 'load' });
    await waitForText(tab.page, '.conversations', /stored here/);
    assert.deepEqual(tab.problems, []);
  });
});
