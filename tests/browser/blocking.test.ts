// Long tasks of the main thread while a model is downloaded, loaded and asked: there are none, with the real Gemma 3 270M in its worker.
// Chromium tells by a PerformanceObserver which tasks were long by the clock, and by a trace how long they ran. Firefox has neither, so a
// timer of the page finds the gaps, and the system tells how much of each gap the page's thread ran. The assertions are about the time it
// ran: if all cores work as a GPU, the clock says more about the machine than about the page. Both meters are shown to see a block.
// Runs alone: it measures how long the main thread ran.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { answered, openApp, press, send, until, waitForText } from './support/app.js';
import { launch, launchWithDevtools, missing } from './support/browsers.js';
import { realModel, startSite } from './support/site.js';
import { longestGap, longestTask, watchGaps } from './support/long-tasks.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

/** Duration of a long task, as the web defines it. */
const LONG_MS = 50;
const LOAD_MS = 400_000;
const file = realModel();
const skip = file === undefined ? 'GEMMA_WEB_MODEL names no file' : false;

// Globals of the observed page.
declare global {
  var longTasks: { readonly at: number; readonly ms: number }[];
}

const SETTINGS = { maxTokens: 12, contextLength: 256, sampling: { temperature: 0 } };

const loadIt = async (page: Page): Promise<void> => {
  await press(page, /gemma-3-270m-q4_k_m/, '.cards');
  await waitForText(page, '.facts', /253 MB/);
  await press(page, /^Download 253 MB and load$/);
  await page.waitForSelector('#message', { timeout: LOAD_MS });
};

const askIt = async (page: Page): Promise<void> => {
  await send(page, 'The capital of France is');
  await until(page, 'text', () => page.$('.streaming'), LOAD_MS);
  await answered(page, LOAD_MS);
};

// A task of the page's own: what the driver evaluates is none.
const block = (page: Page): Promise<void> =>
  page.evaluate(
    () =>
      new Promise<void>((done) => {
        setTimeout(() => {
          for (const end = performance.now() + 300; performance.now() < end; );
          done();
        });
      }),
  );

describe('chromium', { skip: missing('chromium') || skip }, () => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;

  before(async () => {
    site = await startSite(file === undefined ? {} : { 'gemma-3-270m-q4_k_m.gguf': file });
    browser = await launchWithDevtools();
    ({ page } = await openApp(browser, `${site.url}/`, SETTINGS));
    await page.evaluate(() => {
      globalThis.longTasks = [];
      new PerformanceObserver((entries) => {
        for (const { startTime, duration } of entries.getEntries()) globalThis.longTasks.push({ at: startTime, ms: duration });
      }).observe({ type: 'longtask' });
    });
  });
  after(async () => {
    await browser.close();
    await site.close();
  });

  const observed = (): Promise<number[]> => page.evaluate(() => globalThis.longTasks.splice(0).map(({ ms }) => ms));

  it('the meters see a block', async () => {
    const ms = await longestTask(page, () => block(page));
    assert.ok(ms > LONG_MS, String(ms));
    await until(page, 'the entry', async () => (await observed()).some((each) => each > LONG_MS));
  });

  for (const [what, action] of [['load', loadIt], ['generation', askIt]] as const) {
    it(`no long task during ${what}`, async (context) => {
      const ms = await longestTask(page, () => action(page));
      const seen = await observed();
      context.diagnostic(`${what}: longest task ran ${ms.toFixed(1)} ms; by the observer's clock ${seen.length} long ones, at most ${Math.max(0, ...seen)} ms`);
      assert.ok(ms < LONG_MS, `a task ran ${ms} ms`);
    });
  }
});

describe('firefox', { skip: missing('firefox') || skip || (process.platform === 'linux' ? false : 'only Linux tells how long a thread ran') }, () => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;

  before(async () => {
    site = await startSite(file === undefined ? {} : { 'gemma-3-270m-q4_k_m.gguf': file });
    browser = await launch('firefox');
    ({ page } = await openApp(browser, `${site.url}/`, SETTINGS));
    await watchGaps(page);
  });
  after(async () => {
    await browser.close();
    await site.close();
  });

  it('the meter sees a block', async () => {
    const { ran } = await longestGap(browser, page, () => block(page));
    assert.ok(ran > LONG_MS, String(ran));
  });

  for (const [what, action] of [['load', loadIt], ['generation', askIt]] as const) {
    it(`no long stretch during ${what}`, async (context) => {
      const { ran, gap, gaps } = await longestGap(browser, page, () => action(page));
      context.diagnostic(`${what}: ran ${ran.toFixed(1)} ms in the worst of ${gaps} gaps, the longest of ${gap.toFixed(0)} ms by the clock`);
      assert.ok(ran < LONG_MS, `the main thread ran ${ran} ms at a stretch`);
    });
  }
});
