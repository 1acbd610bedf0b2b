// The speed of the chat page: it is usable at once, and no long answer or long conversation holds it up.
// Runs alone: it measures how long tasks are.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { answered, send, until } from './support/app.js';
import { launchWithDevtools, missing } from './support/browsers.js';
import { startSite } from './support/site.js';
import { loadStub, openStubbed } from './support/stubbed-page.js';
import { longestTask } from './support/long-tasks.js';
import { pause } from './support/waiting.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

/** Duration of a long task, as the web defines it. */
const LONG_MS = 50;

const PARAGRAPH = 'Some **words** with `code`, a [link](https://example.org/), and more words that make a paragraph of usual length. ';
const LONG = Array.from({ length: 60 }, (_, n) => `## Part ${n}\n\n${PARAGRAPH.repeat(4)}\n\n- one\n- two\n\n\`\`\`js\n${'const x = 1;\n'.repeat(12)}\`\`\`\n\n`).join('');

// Only Chromium reports the length of tasks.
describe('chromium', { skip: missing('chromium') }, () => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;

  before(async () => {
    site = await startSite({});
    browser = await launchWithDevtools();
    ({ page } = await openStubbed(browser, `${site.url}/`, { text: LONG, piece: 5, perTick: 4, everyMs: 4 }));
  });
  after(async () => {
    await browser.close();
    await site.close();
  });

  const longest = (action: () => Promise<unknown>): Promise<number> => longestTask(page, action);

  it('can be used within a second', async (context) => {
    const painted = (): Promise<number> =>
      page.evaluate(() => performance.getEntriesByType('paint').find(({ name }) => name === 'first-contentful-paint')?.startTime ?? 0);
    // The page records it a frame later.
    await until(page, 'the first paint', painted);
    const ms = await painted();
    context.diagnostic(`first contentful paint after ${ms.toFixed(0)} ms`);
    assert.ok(ms < 1000, String(ms));
  });

  it('writes a long answer without a long task', async (context) => {
    await loadStub(page);
    const ms = await longest(async () => {
      await send(page, 'Write a lot');
      await until(page, 'the answer', () => page.$('.streaming'));
      await answered(page);
    });
    context.diagnostic(`${LONG.length} characters, longest task ${ms} ms`);
    assert.ok(ms < LONG_MS, `a task of ${ms} ms`);
  });

  it('leaves a reader who moved up alone, and goes back to the end when asked', async () => {
    await send(page, 'Again');
    await until(page, 'the answer', () => page.$('.streaming'));
    await page.$eval('.transcript', (element) => element.scrollBy(0, -600));
    await until(page, 'the way to the end', () => page.$('.to-end'));
    const at = await page.$eval('.transcript', (element) => element.scrollTop);
    await pause(400);
    const then = await page.$eval('.transcript', (element) => [element.scrollTop, element.scrollHeight - element.scrollTop - element.clientHeight]);
    assert.ok(Math.abs((then[0] ?? 0) - at) < 40 && (then[1] ?? 0) > 300, `${at}, then ${then}`);
    await page.click('.to-end');
    await until(page, 'the end', () => page.$eval('.transcript', (element) => element.scrollHeight - element.scrollTop - element.clientHeight < 80));
    await answered(page);
  });

  it('opens a long conversation without a long task', async (context) => {
    const hash = await page.evaluate(() => location.hash);
    await page.evaluate(() => void (location.hash = '#/'));
    await page.evaluate(() => [...document.querySelectorAll<HTMLElement>('.new')].at(0)?.click());
    await page.waitForSelector('.empty');
    const ms = await longest(async () => {
      await page.evaluate((to) => void (location.hash = to), hash);
      await until(page, 'all of it', () => page.evaluate(() => document.querySelectorAll('.turn').length === 4 && [...document.querySelectorAll('.markdown')].every((text) => text.querySelector('.block'))));
    });
    context.diagnostic(`longest task ${ms} ms`);
    assert.ok(ms < LONG_MS, `a task of ${ms} ms`);
  });
});
