// The chat page in the hands of tests: they find buttons and fields by the words that a person reads.

import type { Browser, Page } from 'puppeteer-core';
import { openPage } from './browsers.js';
import { until as waitUntil } from './waiting.js';

/** Longest time of a step: a software GPU is slow. */
const STEP_MS = 60_000;

/** Waits until `look` finds something in the page. */
export function until<T>(page: Page, what: string, look: () => Promise<T | false | undefined | null>, patience = STEP_MS): Promise<T> {
  return waitUntil(what, look, patience).catch(async (error: unknown) => {
    const text = await page.evaluate(() => document.body.innerText).catch(() => '?');
    throw new Error(`${error instanceof Error ? error.message : String(error)}; the page says: ${text.slice(0, 1500)}`);
  }) as Promise<T>;
}

/** The texts of all elements that a selector finds. */
export const texts = (page: Page, selector: string): Promise<string[]> =>
  page.$$eval(selector, (elements) => elements.map((element) => element.textContent ?? ''));

/** Waits until the text of an element matches. */
export function waitForText(page: Page, selector: string, pattern: RegExp, patience = STEP_MS): Promise<string> {
  const look = async (): Promise<string | undefined> => (await texts(page, selector)).find((text) => pattern.test(text));
  return until(page, `${pattern} in ${selector}`, look, patience);
}

/** Presses the first visible button, link or card of this name; waits until it is there and enabled. */
export async function press(page: Page, name: RegExp, within = 'body'): Promise<void> {
  await until(page, `something to press called ${name}`, () =>
    page.evaluate(
      (source, flags, scope) => {
        const pattern = new RegExp(source, flags);
        for (const found of document.querySelectorAll<HTMLButtonElement>(`${scope} :is(button, a, summary, label)`)) {
          const called = `${found.ariaLabel ?? ''} ${found.textContent ?? ''}`.trim();
          if (!pattern.test(called) || found.disabled || !found.checkVisibility()) continue;
          found.click();
          return true;
        }
        return false;
      },
      name.source,
      name.flags,
      within,
    ),
  );
}

/** Replaces the text of a field, with the events of a keyboard. */
export async function fill(page: Page, selector: string, text: string): Promise<void> {
  await until(page, selector, () => page.$(selector));
  await page.$eval(
    selector,
    (field, value) => {
      const input = field as HTMLInputElement;
      input.focus();
      input.value = value;
      input.dispatchEvent(new Event('input', { bubbles: true }));
      input.dispatchEvent(new Event('change', { bubbles: true }));
    },
    text,
  );
}

/** Loads the model that the page's own server offers under this name, and waits until it can be asked. */
export async function loadOffered(page: Page, name: RegExp): Promise<void> {
  await press(page, name, '.cards');
  await press(page, /^(?:Download .* and load|Load the model)$/);
  await page.waitForSelector('#message', { timeout: STEP_MS });
}

/** Sends a message by the keyboard. */
export async function send(page: Page, text: string): Promise<void> {
  await fill(page, '#message', text);
  await page.focus('#message');
  await page.keyboard.press('Enter');
}

/** Waits until nothing moves any more: layout is done, and every animation and transition that ends has ended. */
export const settled = (page: Page): Promise<void> =>
  page.evaluate(async () => {
    for (let frames = 0; frames < 2; frames += 1) await new Promise(requestAnimationFrame);
    const ending = document.getAnimations().filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(ending.map(({ finished }) => finished));
  });

/** Waits until nothing is being answered. */
export const answered = (page: Page, patience = STEP_MS): Promise<unknown> => {
  const done = (): Promise<boolean> => page.evaluate(() => document.querySelector('.send') !== null && document.querySelector('.send.stop, .waiting, .streaming') === null);
  return until(page, 'the end of the answer', done, patience);
};

/** Sets the page's settings before it starts. */
export async function withSettings(page: Page, settings: Readonly<Record<string, unknown>>): Promise<void> {
  await page.evaluateOnNewDocument((json) => {
    if (!location.protocol.startsWith('http')) return;
    // Only settings that are not set yet: a reload keeps those of the test.
    if (localStorage.getItem('gemma-web:settings') === null) localStorage.setItem('gemma-web:settings', json);
  }, JSON.stringify(settings));
}

export async function openApp(browser: Browser, url: string, settings: Readonly<Record<string, unknown>> = {}): ReturnType<typeof openPage> {
  const opened = await openPage(browser, 'about:blank');
  await withSettings(opened.page, settings);
  await opened.page.goto(url, { waitUntil: 'load' });
  opened.origins.delete('null');
  return opened;
}

/** Waits until the page's service worker is in charge of it. */
export const controlled = (page: Page): Promise<unknown> =>
  until(page, 'a service worker in charge', () => page.evaluate(() => navigator.serviceWorker.ready.then(() => navigator.serviceWorker.controller !== null)));
