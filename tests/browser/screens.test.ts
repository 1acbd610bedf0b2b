// Every screen, in both themes and on narrow and wide windows: axe finds nothing to object to, and nothing is cut off.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { answered, press, send, settled, until, waitForText } from './support/app.js';
import { inBothBrowsers } from './support/browsers.js';
import { ROOT, startSite } from './support/site.js';
import { loadStub, openStubbed, type Stub } from './support/stubbed-page.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

const AXE = readFileSync(join(ROOT, 'www/node_modules/axe-core/axe.min.js'), 'utf8');

const TEXT = `## Tides

The **Moon** pulls the sea towards it. See [this page](https://example.org/).

1. High tide
2. Low tide

| when | how high |
| --- | --- |
| spring | more |

\`\`\`js
const tide = (hours) => Math.cos((2 * Math.PI * hours) / 12.42); // a comment that is long enough for the block to have to scroll
\`\`\`

> quoted
`;

/** A report of `axe`, as far as these tests read it. */
interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

async function violations(page: Page): Promise<string[]> {
  const found = (await page.evaluate(`(async () => {
    if (!globalThis.axe) { ${AXE} }
    return (await axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })).violations;
  })()`)) as Violation[];
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary ?? ''}`));
}

inBothBrowsers((_, start) => {
  let site: StaticServer;
  let browser: Browser;
  const pages: Page[] = [];

  before(async () => {
    site = await startSite({});
    browser = await start(false);
  });
  after(() => site.close());

  const open = async (stub: Partial<Stub> = {}): Promise<Page> => {
    const { page } = await openStubbed(browser, `${site.url}/`, { text: TEXT, piece: 8, perTick: 10, ...stub });
    pages.push(page);
    return page;
  };

  /** Checks a screen in both themes and at both widths. */
  async function check(page: Page, name: string): Promise<void> {
    const found: string[] = [];
    for (const [width, height] of [[320, 640], [1280, 800]] as const) {
      await page.setViewport({ width, height });
      for (const theme of ['light', 'dark']) {
        await page.evaluate((value) => void (document.documentElement.dataset['theme'] = value), theme);
        await settled(page);
        found.push(...(await violations(page)).map((violation) => `${name}, ${theme}, ${width}: ${violation}`));
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) found.push(`${name}, ${width}: ${over} pixels too wide`);
      }
    }
    assert.deepEqual(found, []);
  }

  it('start, review, loading', async () => {
    const page = await open({ loadMs: 20_000 });
    await waitForText(page, '.verdict', /run here|slow|ready/);
    await check(page, 'start');
    await press(page, /^Gemma 3 1B/, '.cards');
    await waitForText(page, '.judgement', /fits/);
    await check(page, 'review');
    await press(page, /^Download .* and load$/);
    await page.waitForSelector('progress[value]');
    await check(page, 'loading');
    await press(page, /^Cancel$/);
    await page.waitForSelector('.hero');
  });

  it('error', async () => {
    const page = await open({ failure: { code: 'out_of_memory', message: 'there is too little memory on the GPU; close other tabs', details: {} } });
    await press(page, /^Gemma 3 1B/, '.cards');
    await press(page, /^Download .* and load$/);
    await page.waitForSelector('.failed');
    await check(page, 'error');
  });

  it('empty, answered, editing, settings, meter, models, drawer', async () => {
    const page = await open();
    await loadStub(page);
    await check(page, 'empty');
    await send(page, 'Explain tides');
    await answered(page);
    await page.waitForSelector('.markdown .block');
    await check(page, 'answered');
    await press(page, /^Edit$/);
    await check(page, 'editing');
    await page.keyboard.press('Escape');
    await press(page, /^Rename: /);
    await check(page, 'renaming');
    await page.keyboard.press('Escape');
    await press(page, /^Settings/);
    await page.waitForSelector('dialog[open]');
    await check(page, 'settings');
    await page.keyboard.press('Escape');
    await until(page, 'closed settings', () => page.evaluate(() => !document.querySelector('dialog[open]')));
    await press(page, /tokens of context used/);
    await check(page, 'meter');
    await page.evaluate(() => void (location.hash = '#/models'));
    await page.waitForSelector('.models');
    await check(page, 'models');
    await page.setViewport({ width: 360, height: 740 });
    await press(page, /^Menu$/);
    await page.waitForSelector('dialog.drawer[open]');
    // It slides in, and half transparent text has half the contrast.
    await until(page, 'the drawer at rest', () => page.evaluate(() => document.getAnimations().length === 0));
    const found = await violations(page);
    assert.deepEqual(found, []);
  });

  it('writing, and a text to continue', async () => {
    const page = await open({ hold: 60, chat: false });
    await loadStub(page);
    await check(page, 'empty text');
    await send(page, 'Once upon a time');
    await page.waitForSelector('.streaming');
    await check(page, 'writing');
    await page.keyboard.press('Escape');
    await answered(page);
    await check(page, 'paper');
    await press(page, /^Edit the text$/);
    await page.waitForSelector('.text-editor textarea');
    await check(page, 'changing a text');
  });

  it('a conversation whose model is loading, and could not be loaded', async () => {
    const settings = { failure: { code: 'device_lost', message: 'the GPU device was lost; restart the browser', details: {} } };
    for (const [name, stub] of [['not ready', { loadMs: 20_000 }], ['not loaded', settings]] as const) {
      const page = await open(stub);
      // The second page continues the load that the first did not finish.
      if (name === 'not loaded') {
        await page.waitForSelector('.failed');
      } else {
        await press(page, /^Gemma 3 1B/, '.cards');
        await press(page, /^Download .* and load$/);
      }
      await page.evaluate(
        () =>
          new Promise((done) => {
            indexedDB.open('gemma-web').onsuccess = ({ target }) => {
              const transaction = (target as IDBOpenDBRequest).result.transaction(['conversations', 'turns'], 'readwrite');
              const head = { id: 'kept', title: 'Kept', kind: 'chat', created: 1, updated: 1, system: '', leaf: 'a' };
              transaction.objectStore('conversations').put(head);
              transaction.objectStore('turns').put([{ id: 'a', parent: null, role: 'user', text: 'Kept', at: 1 }], 'kept');
              transaction.oncomplete = done;
            };
          }),
      );
      await page.evaluate(() => void (location.hash = '#/chat/kept'));
      await page.waitForSelector(name === 'not ready' ? '.composer-notice progress' : '.composer-notice [role=alert]');
      await check(page, name);
    }
  });

  it('the page that measures', async () => {
    const { page } = await openStubbed(browser, `${site.url}/bench.html`, { text: '' });
    await check(page, 'bench');
  });
});
