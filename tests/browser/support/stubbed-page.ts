// The chat page with a stand-in for the engine: see stub-engine.mjs.

import type { Browser, BrowserContext, Page } from 'puppeteer-core';
import { press, withSettings } from './app.js';
import { openPage } from './browsers.js';
import { stubEngine } from './stub-engine.mjs';

export type Stub = Parameters<typeof stubEngine>[0];

export async function openStubbed(browser: Browser | BrowserContext, url: string, stub: Stub, settings: Readonly<Record<string, unknown>> = {}): ReturnType<typeof openPage> {
  const opened = await openPage(browser, 'about:blank');
  await withSettings(opened.page, settings);
  await opened.page.evaluateOnNewDocument(stubEngine, stub);
  await opened.page.goto(url, { waitUntil: 'load' });
  return opened;
}

/** Loads the stand-in, under the name of a model of the catalogue. */
export async function loadStub(page: Page): Promise<void> {
  await press(page, /^Gemma 3 1B/, '.cards');
  await press(page, /^Download .* and load$/);
  await page.waitForSelector('#message', { timeout: 30_000 });
}
