// @ts-check
// The pictures in www/app/screenshots: the chat page on a phone and on a desktop, in light and in dark. The answers are scripted
// (tests/browser/support/stub-engine.mjs), so that the pictures are the same on every machine.
//
//   GEMMA_WEB_CHROMIUM=/usr/bin/chromium node www/tools/screenshots.mjs        after ./build.sh build

import { mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';
import { stubEngine } from '../../tests/browser/support/stub-engine.mjs';
import { startServer } from './serve.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = `${root}/www/app/screenshots`;
const MOST_BYTES = 150_000;
const WINDOWS = { desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740, isMobile: true, hasTouch: true } };

const QUESTION = 'Why are there two high tides a day, not one?';
const ANSWER = `The Moon pulls on the near side of the Earth **more strongly** than on its centre, and on the centre more than on the far side. The sea is *stretched* along that line:

1. on the near side the water is pulled ahead of the Earth,
2. on the far side the Earth is pulled away from the water.

That makes two bulges, and the Earth turns through both of them once a day.

| | Height of the tide | When |
| --- | --- | --- |
| Spring tide | largest | new and full moon |
| Neap tide | smallest | the half moons |

\`\`\`js
// Hours since the last high tide
const height = (hours) => Math.cos((2 * Math.PI * hours) / 12.42);
\`\`\`
`;
const FAILURE = { code: 'out_of_memory', message: 'the GPU has too little memory: 952 MB are needed for weights and context; close other tabs, or choose a smaller model', details: {} };

/** @param {import('puppeteer-core').Page} page @param {string} selector @param {RegExp} name */
async function press(page, selector, name) {
  await page.waitForFunction(
    (where, source) => [...document.querySelectorAll(where)].find((found) => new RegExp(source).test(found.textContent ?? '') && found.checkVisibility()),
    {},
    selector,
    name.source,
  );
  await page.evaluate(
    (where, source) => {
      const found = [...document.querySelectorAll(where)].find((element) => new RegExp(source).test(element.textContent ?? '') && element.checkVisibility());
      if (found instanceof HTMLElement) found.click();
    },
    selector,
    name.source,
  );
}

/** The pictures, each with the stand-in's behaviour and the way to the screen. */
const PICTURES = {
  start: { stub: { text: '' }, go: async () => undefined },
  loading: {
    stub: { text: '', loadMs: 30_000 },
    /** @param {import('puppeteer-core').Page} page */
    go: async (page) => {
      await load(page);
      await page.waitForFunction(() => (document.querySelector('progress')?.value ?? 0) > 0.1);
    },
  },
  chatting: {
    stub: { text: ANSWER, piece: 4, perTick: 12, rate: 38.4 },
    /** @param {import('puppeteer-core').Page} page */
    go: async (page) => {
      await load(page);
      await page.waitForSelector('#message');
      await page.type('#message', QUESTION);
      await page.keyboard.press('Enter');
      await page.waitForSelector('.turn-figures span', { visible: true });
      await page.evaluate(() => document.querySelector('.transcript')?.scrollTo(0, 0));
    },
  },
  error: {
    stub: { text: '', failure: FAILURE },
    /** @param {import('puppeteer-core').Page} page */
    go: async (page) => {
      await load(page);
      await page.waitForSelector('.failed');
    },
  },
};

/** @param {import('puppeteer-core').Page} page */
async function load(page) {
  await press(page, '.cards button', /^Gemma 3 1B/);
  await press(page, '.panel button', /^Download .* and load$/);
}

mkdirSync(folder, { recursive: true });
const server = await startServer({ mounts: { '/': `${root}/dist/site` } });
const executablePath = process.env['GEMMA_WEB_CHROMIUM'];
if (!executablePath) throw new Error('set GEMMA_WEB_CHROMIUM to the path of Chromium');
const browser = await puppeteer.launch({ executablePath, headless: true, args: ['--no-sandbox', '--hide-scrollbars'] });
for (const [name, { stub, go }] of Object.entries(PICTURES)) {
  for (const [device, viewport] of Object.entries(WINDOWS)) {
    for (const theme of ['light', 'dark']) {
      const context = await browser.createBrowserContext();
      const page = await context.newPage();
      await page.setViewport(viewport);
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
      await page.evaluateOnNewDocument(stubEngine, stub);
      // A graphics card, whatever this machine has.
      await page.evaluateOnNewDocument(() => {
        const info = { vendor: 'any', architecture: '', device: '', description: '' };
        const limits = { maxStorageBufferBindingSize: 2 ** 31, maxBufferSize: 2 ** 31, maxStorageBuffersPerShaderStage: 10 };
        const gpu = { requestAdapter: async () => ({ info, limits, features: new Set(['subgroups']) }) };
        Object.defineProperty(navigator, 'gpu', { value: gpu });
        Object.defineProperty(navigator, 'serviceWorker', { value: undefined });
        delete /** @type {{ serviceWorker?: unknown }} */ (Navigator.prototype).serviceWorker;
      });
      await page.goto(`${server.url}/`, { waitUntil: 'load' });
      await page.waitForSelector('.verdict.ok');
      await go(page);
      await new Promise((done) => setTimeout(done, 500));
      const path = /** @type {`${string}.png`} */ (`${folder}/${name}-${device}-${theme}.png`);
      await page.screenshot({ path });
      const { size } = statSync(path);
      console.log(`${String(size).padStart(7)}  ${name}-${device}-${theme}.png`);
      if (size > MOST_BYTES) throw new Error(`${path} has ${size} bytes, at most ${MOST_BYTES}`);
      await context.close();
    }
  }
}
await browser.close();
await server.close();
