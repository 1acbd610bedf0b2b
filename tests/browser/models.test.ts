// Models on the chat page: dropped anywhere, resumed after a cancelled download, verified, deleted, broken.
// Runs beside others: its clock only limits how long it waits.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { answered, fill, openApp, press, send, texts, until, waitForText } from './support/app.js';
import { BASE } from './support/tiny-model.js';
import { inBothBrowsers } from './support/browsers.js';
import { type FaultServer, type FaultyFile, startFaultServer } from './support/faulty-server.js';
import { CHUNK, spreadModel } from './support/loads.js';
import { startSite, TINY } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

inBothBrowsers((_, start) => {
  let site: StaticServer;
  let server: FaultServer;
  let file: FaultyFile;
  let browser: Browser;
  let page: Page;
  let problems: string[];

  before(async () => {
    site = await startSite({});
    server = await startFaultServer();
    file = server.add('spread.gguf', spreadModel(4 * CHUNK));
    server.add('tiny.gguf', readFileSync(join(TINY, BASE)));
    browser = await start();
    ({ page, problems } = await openApp(browser, `${site.url}/`, { maxTokens: 4, contextLength: 64 }));
  });
  after(async () => {
    await site.close();
    await server.close();
  });

  /** Drops a file of the desktop on an element of the page. */
  const drop = async (name: string, bytes: readonly number[] | string, on: string): Promise<void> => {
    await page.evaluate(
      async (called, given, selector) => {
        const content = typeof given === 'string' ? await (await fetch(given)).arrayBuffer() : new Uint8Array(given);
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([content], called));
        const target = document.querySelector(selector);
        const tell = (type: string): boolean => !target?.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
        if (!tell('dragover')) throw new Error('the browser would take it');
        for (const deadline = performance.now() + 5000; !document.querySelector('.drop'); await new Promise((done) => setTimeout(done, 10))) {
          if (performance.now() > deadline) throw new Error('nothing says that it can be dropped');
        }
        if (!tell('drop')) throw new Error('the browser would open it');
      },
      name,
      bytes,
      on,
    );
    await until(page, 'the end of the drag', () => page.evaluate(() => !document.querySelector('.drop')));
  };

  it('says so where what was dropped is no model', async () => {
    await drop('holiday.jpg', [1, 2, 3], '.hero');
    await waitForText(page, '.notice', /\.gguf/);
  });

  it('shows what is wrong with a broken file and what to do, and goes back', async () => {
    await drop('broken.gguf', [...'not a model at all'].map((letter) => letter.charCodeAt(0)), '.sidebar, .topbar');
    await waitForText(page, '.failed [role=alert]', /not a model.*ends in \.gguf/);
    const alert = (await texts(page, '.failed [role=alert]'))[0] ?? '';
    assert.ok(alert.length > 40, alert);
    await waitForText(page, '.failed .note', /Code: not_gguf/);
    await press(page, /^Choose another$/);
    await until(page, 'the choice', () => page.$('.cards'));
  });

  it('takes a .gguf file that is dropped anywhere', async () => {
    await drop(BASE, `${server.url}/tiny.gguf`, 'main');
    await waitForText(page, '.judgement', /It fits/);
    await waitForText(page, '.facts', /none: it is on this device/);
    await press(page, /^Load the model$/);
    await page.waitForSelector('#message', { timeout: 60_000 });
    await send(page, 'Once');
    await answered(page);
  });

  it('goes on after a download was cancelled, with what is missing', async () => {
    file.faults = { speed: 1.5e6 };
    await page.evaluate(() => void (location.hash = '#/models'));
    await fill(page, '#address', file.url);
    await press(page, /^Inspect$/);
    await waitForText(page, '.facts', /Free storage/);
    await press(page, /^Download 17 MB and load$/);
    await until(page, 'half of it', () => page.evaluate(() => (document.querySelector('progress')?.value ?? 0) > 0.5));
    await press(page, /^Cancel$/, '.panel');
    await waitForText(page, '.row-card', /MB of 17 MB downloaded/);
    file.faults = {};
    file.forget();
    await press(page, /^Resume$/, '.row-card');
    await page.waitForSelector('#message', { timeout: 60_000 });
    assert.ok(file.asked <= file.bytes.length - 2 * CHUNK + CHUNK, `${file.asked} of ${file.bytes.length} bytes were asked for`);
  });

  it('verifies what is kept, and finds what is damaged', async () => {
    await page.evaluate(() => void (location.hash = '#/models'));
    await waitForText(page, '.row-card', /17 MB, complete/);
    await press(page, /^Verify$/);
    await waitForText(page, '.row-card [role=status]', /No damage found: \d parts checked/);
    await page.evaluate(async () => {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('gemma-web');
      for await (const folder of (root as unknown as { values(): AsyncIterable<FileSystemDirectoryHandle> }).values()) {
        if (folder.kind !== 'directory') continue;
        const writable = await (await folder.getFileHandle('data')).createWritable({ keepExistingData: true });
        await writable.write({ type: 'write', position: (4 << 20) + 9, data: new Uint8Array([1, 2, 3, 4]) });
        await writable.close();
      }
    });
    await press(page, /^Verify$/);
    await waitForText(page, '.row-card [role=status]', /1 part is damaged and will be downloaded again/);
    file.forget();
    await press(page, /^Resume$/, '.row-card');
    await page.waitForSelector('#message', { timeout: 60_000 });
    assert.ok(file.asked <= CHUNK, `${file.asked} bytes were asked for`);
  });

  it('deletes what is kept, after asking', async () => {
    await page.evaluate(() => void (location.hash = '#/models'));
    await press(page, /^Unload$/);
    await press(page, /^Delete$/, '.row-card');
    await press(page, /^Cancel$/, 'dialog[open]');
    await press(page, /^Delete$/, '.row-card');
    await press(page, /^Delete$/, 'dialog[open]');
    await waitForText(page, '.models', /No model is stored yet/);
    await page.reload({ waitUntil: 'load' });
    await waitForText(page, '.models', /No model is stored yet/);
    assert.deepEqual(problems, []);
  });
});
