// Small things of the chat page that people notice when they are wrong: copying, settings, the keyboard, screen readers, motion, the
// catalogue, failures, and a hidden page.
// Runs alone: the page must be usable within a second.

import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import type { Page } from 'puppeteer-core';
import { answered, fill, press, send, until, waitForText } from './support/app.js';
import { openPage } from './support/browsers.js';
import { onStubbedPage } from './support/setup.js';
import { loadStub, openStubbed } from './support/stubbed-page.js';

declare global {
  /** The page's calls of the stand-in for the engine: see stub-engine.mjs. */
  var calls: { type: string; options?: { temperature?: number; topK?: number; overflow?: string } }[];
  var copied: string[];
  /** Time from the beginning of the navigation until the first model can be chosen. */
  var usableAt: number | undefined;
}

const CODE = 'const a = 1;\nconst b = "<b>";';
const TEXT = `Look:\n\n\`\`\`js\n${CODE}\n\`\`\`\n\nThat is **all**.`;

/** The models of the catalogue, with size, context and file. */
const CATALOGUE = [
  ['Gemma 3 270M', '253 MB', '32,768', 'gemma-3-270m-it-Q4_K_M.gguf'],
  ['Gemma 3 1B', '806 MB', '32,768', 'gemma-3-1b-it-Q4_K_M.gguf'],
  ['Gemma 1.1 2B', '1.63 GB', '8,192', 'gemma-1.1-2b-it.Q4_K_M.gguf'],
  ['Gemma 2 2B', '1.71 GB', '8,192', 'gemma-2-2b-it-Q4_K_M.gguf'],
] as const;

/** Number of elements with an animation or a transition. */
const still = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const moving = (element: Element): boolean => {
      const { animationName, transitionProperty, transitionDuration } = getComputedStyle(element);
      return animationName !== 'none' || (transitionProperty !== 'none' && transitionDuration.split(', ').some((time) => parseFloat(time) > 0));
    };
    return [...document.querySelectorAll('*')].filter(moving).length;
  });

onStubbedPage({ text: TEXT, piece: 4, everyMs: 5, loaded: false }, (tab) => {
  before(() =>
    tab.page.evaluate(() => {
      globalThis.copied = [];
      // A clipboard that asks nobody.
      Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text: string) => void globalThis.copied.push(text) } });
    }),
  );

  const asked = (): Promise<(typeof calls)[number]['options']> => tab.page.evaluate(() => globalThis.calls.findLast(({ type }) => type === 'generate')?.options);

  it('the catalogue says size, context, licence, and where each model comes from', async () => {
    await tab.page.waitForSelector('.cards');
    const href = await tab.page.$$eval('.picker a', (links) => links.map((link) => (link as HTMLAnchorElement).href));
    assert.ok(href.includes('https://ai.google.dev/gemma/terms'), href.join());
    for (const [name, size, context, file] of CATALOGUE) {
      const card = await until(tab.page, name, () => tab.page.$$eval('.cards button', (cards, called) => cards.map((each) => each.textContent ?? '').find((text) => text.includes(called)), name));
      assert.ok(card.includes(size) && card.includes(context), card);
      await press(tab.page, new RegExp(`^${name}`), '.cards');
      await until(tab.page, `an inspection of ${file}`, () => tab.page.evaluate((wanted) => JSON.stringify(globalThis.calls.findLast(({ type }) => type === 'inspect') ?? '').includes(wanted), file));
      await press(tab.page, /^Choose another$/);
      await tab.page.waitForSelector('.cards');
    }
  });

  it('can be used within a second', async (context) => {
    const { page: fresh } = await openPage(tab.browser, 'about:blank');
    await fresh.evaluateOnNewDocument(() => {
      new MutationObserver((_, observer) => {
        const button = document.querySelector<HTMLButtonElement>('.cards button');
        if (!button || button.disabled) return;
        observer.disconnect();
        globalThis.usableAt = performance.now();
      }).observe(document, { childList: true, subtree: true, attributes: true });
    });
    await fresh.goto(`${tab.site.url}/`, { waitUntil: 'load' });
    const ms = await until(fresh, 'something to press', () => fresh.evaluate(() => globalThis.usableAt));
    context.diagnostic(`${tab.browserName}: ${ms.toFixed(0)} ms after the navigation began`);
    assert.ok(ms < 1000, `${ms} ms`);
    await fresh.close();
  });

  it('synthetic models are there for measuring', async () => {
    await press(tab.page, /^Without a download/, '.synthetic');
    await press(tab.page, /^Gemma 1 2B$/, '.synthetic');
    await until(tab.page, 'an inspection', () => tab.page.evaluate(() => JSON.stringify(globalThis.calls.findLast(({ type }) => type === 'inspect') ?? '').includes('synthetic:gemma-2b:q4_0')));
    await press(tab.page, /^Choose another$/);
  });

  it('an answer is read aloud when it is there; the words around it are told', async () => {
    await loadStub(tab.page);
    await send(tab.page, 'Hello');
    const role = await tab.page.$$eval('[role=status][aria-live=polite]', (regions) => regions.length);
    assert.ok(role > 0);
    await answered(tab.page);
    await waitForText(tab.page, '[role=status]', /The answer is complete/);
    await tab.page.waitForSelector('.markdown .copy-code');
  });

  it('copies code, and whole messages, as they were written', async () => {
    await press(tab.page, /^Copy$/, '.markdown');
    await waitForText(tab.page, '.copy-code', /^Copied$/);
    await press(tab.page, /Copy/, '.turn.assistant .turn-foot');
    const texts = await until(tab.page, 'both copies', () => tab.page.evaluate(() => globalThis.copied.length === 2 && globalThis.copied));
    assert.deepEqual(texts.map((text) => text.trim()), [CODE, TEXT]);
  });

  it('Shift+Enter makes a new line, Enter sends', async () => {
    const before = await tab.page.$$eval('.turn.user', (turns) => turns.length);
    await tab.page.focus('#message');
    await tab.page.keyboard.type('one');
    await tab.page.keyboard.down('Shift');
    await tab.page.keyboard.press('Enter');
    await tab.page.keyboard.up('Shift');
    await tab.page.keyboard.type('two');
    assert.equal(await tab.page.$eval('#message', (area) => (area as HTMLTextAreaElement).value), 'one\ntwo');
    assert.equal(await tab.page.$$eval('.turn.user', (turns) => turns.length), before);
    await tab.page.keyboard.press('Enter');
    await answered(tab.page);
    assert.equal(await tab.page.$$eval('.turn.user .bubble', (turns) => turns.at(-1)?.textContent), 'one\ntwo');
  });

  it('settings are used, explained, and put back', async () => {
    const own = await asked();
    await press(tab.page, /^Settings$/, '.composer');
    await fill(tab.page, '#set-temperature', '0.5');
    await fill(tab.page, '#set-top-k', '7');
    const notes = await tab.page.$$eval('.setting input[type=range]', (ranges) => ranges.map((range) => document.getElementById(range.getAttribute('aria-describedby') ?? '')?.textContent ?? ''));
    assert.ok(notes.length >= 6 && notes.every((note) => note.length > 15), notes.join());
    await tab.page.keyboard.press('Escape');
    await send(tab.page, 'Again');
    await answered(tab.page);
    const changed = await asked();
    assert.deepEqual([changed?.temperature, changed?.topK], [0.5, 7]);
    await press(tab.page, /^Settings$/, '.composer');
    await press(tab.page, /^Use the model’s own values$/);
    await tab.page.keyboard.press('Escape');
    await send(tab.page, 'And again');
    await answered(tab.page);
    assert.deepEqual(await asked(), own);
  });

  it('the meter says what happens when the context is full, and the engine is asked for just that', async () => {
    await press(tab.page, /tokens of context used/);
    const text = await until(tab.page, 'the explanation', () => tab.page.$eval('#meter-more', (popover) => popover.matches(':popover-open') && popover.textContent));
    assert.match(text, /When it is full, the model no longer sees the oldest messages/);
    assert.equal((await asked())?.overflow, 'slide');
    await tab.page.keyboard.press('Escape');
  });

  it('a failure is told in plain words with a remedy, not in those of the engine', async () => {
    const failure = { code: 'no_webgpu', message: 'no WebGPU adapter: noop support not compiled in', details: {} };
    const { page: failing } = await openStubbed(tab.browser, `${tab.site.url}/`, { text: '', failure });
    const said = (): Promise<string> => failing.$eval('main', (main) => main.textContent ?? '');
    await press(failing, /^Gemma 3 1B/, '.cards');
    await press(failing, /^Download .* and load$/);
    await waitForText(failing, '.failed [role=alert]', /no graphics card.*hardware acceleration/);
    assert.doesNotMatch(await said(), /noop|compiled|adapter/);
    await press(failing, /^Choose another$/);
    // The verdict on a browser whose WebGPU is off.
    await waitForText(failing, '.verdict', /can’t run here yet.*(?:hardware acceleration|another|current)/);
    assert.doesNotMatch(await said(), /noop|compiled|adapter/);
    await failing.close();
  });

  it('a page that goes out of sight while it waits for a frame shows what comes all the same', async () => {
    const { page: behind } = await openStubbed(tab.browser, `${tab.site.url}/`, { text: TEXT.repeat(20), everyMs: 5 });
    await loadStub(behind);
    const shown = await behind.evaluate(async () => {
      let asked = 0;
      globalThis.requestAnimationFrame = () => (asked += 1);
      const area = document.querySelector<HTMLTextAreaElement>('#message');
      if (!area) return 'no field';
      area.value = 'Out of sight';
      area.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise((done) => setTimeout(done, 50));
      document.querySelector<HTMLButtonElement>('.send')?.click();
      // The page requested a frame at the first words; from now on none comes, as in a hidden tab.
      await new Promise((done) => setTimeout(done, 150));
      Object.defineProperty(document, 'hidden', { configurable: true, value: true });
      for (let i = 0; i < 400; i += 1) {
        await new Promise((done) => setTimeout(done, 5));
        const streaming = document.querySelector('.streaming, .send.stop');
        const text = [...document.querySelectorAll('.turn.assistant')].at(-1)?.textContent ?? '';
        if (streaming && asked > 0 && text.includes('Look')) return 'while it is written';
      }
      return `not at all, ${asked} frames asked for`;
    });
    assert.equal(shown, 'while it is written');
    await behind.close();
  });

  it('nothing moves for those who want no motion', async () => {
    // Firefox takes this from a preference, so it needs a browser of its own.
    const calm = tab.browserName === 'chromium' ? await tab.browser.createBrowserContext() : await tab.start(false, { 'ui.prefersReducedMotion': 1 });
    try {
      const { page: quiet } = await openStubbed(calm, 'about:blank', { text: TEXT, loadMs: 4000 });
      if (tab.browserName === 'chromium') await quiet.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
      await quiet.goto(`${tab.site.url}/`, { waitUntil: 'load' });
      assert.ok(await quiet.evaluate(() => matchMedia('(prefers-reduced-motion: reduce)').matches));
      await quiet.waitForSelector('.cards');
      assert.equal(await still(quiet), 0, 'at the start');
      await press(quiet, /^Gemma 3 1B/, '.cards');
      await press(quiet, /^Download .* and load$/);
      await quiet.waitForSelector('progress');
      assert.equal(await still(quiet), 0, 'while it loads');
      if (tab.browserName === 'chromium') {
        // Without the setting, something moves.
        await quiet.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'no-preference' }]);
        assert.ok((await still(quiet)) > 0);
      }
    } finally {
      await calm.close();
    }
  });
});
