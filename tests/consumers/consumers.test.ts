// The packed tarball in projects as people have them: each builds, loads a tiny model and generates the golden text, without
// a console error or a request outside its origin.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'puppeteer-core';
import { type StaticServer, startServer } from '../../www/tools/serve.mjs';
import { inBothBrowsers, openPage } from '../browser/support/browsers.js';
import { tinyModels } from '../browser/support/site.js';
import { ADAPTERS, APPS, type App, buildApp, makeProjects } from './apps.js';
import { GOLDEN } from './expected.js';

interface Page {
  outcome: Promise<unknown>;
}

let projects: Awaited<ReturnType<typeof makeProjects>>;

before(async () => {
  projects = await makeProjects([...APPS, ADAPTERS].map(({ name }) => name));
});
after(() => projects.remove());

describe('builds', () => {
  for (const app of [...APPS, ADAPTERS]) it(app.name, () => buildApp(app, projects.folder(app.name)));
});

/** The app on an origin of its own. */
function serve(app: App): Promise<StaticServer> {
  return startServer({
    mounts: { '/': join(projects.folder(app.name), app.served) },
    models: tinyModels(),
    headers: { 'Content-Security-Policy': app.policy },
  });
}

/** The outcome of an app's page, after it loaded without a problem. */
async function outcomeOf(app: App, browser: Browser): Promise<unknown> {
  const site = await serve(app);
  try {
    const { page, problems, origins } = await openPage(browser, `${site.url}/`);
    const outcome = await page.evaluate(() => (globalThis as unknown as Page).outcome).catch((error: unknown) => String(error));
    assert.deepEqual(problems, []);
    // The icon is a `data:` address.
    origins.delete('null');
    assert.deepEqual([...origins], [site.url]);
    await page.close();
    return outcome;
  } finally {
    await site.close();
  }
}

/** The outcome of adapters/page.js; `text` is the model's answer without an adapter. */
interface Said {
  readonly text: string;
  readonly openai: object;
  readonly aiSdk: object;
  readonly languageModel: object;
  readonly address: object;
}

inBothBrowsers((_name, start) => {
  let browser: Browser;
  before(async () => {
    browser = await start();
  });

  for (const app of APPS) it(app.name, async () => assert.deepEqual(await outcomeOf(app, browser), GOLDEN));

  it('adapters', async () => {
    const said = (await outcomeOf(ADAPTERS, browser)) as Said;
    assert.ok(said.text?.length > 0, `no text: ${JSON.stringify(said)}`);
    const texts = [said.text, said.text];
    assert.deepEqual(said.openai, { texts, finish: 'length', likeliest: true, tokens: 6, cached: true });
    assert.deepEqual(said.aiSdk, { texts, finish: 'length', tokens: 6, cached: true, ends: 'abort' });
    assert.deepEqual(said.languageModel, { texts, grows: true, again: true, available: 'available', gone: 'AbortError' });
    const availability = ['downloadable', 'downloading', 'available', 'available'];
    assert.deepEqual(said.address, { availability, name: 'AbortError', from: 0, to: 1, sorted: true, answered: true });
  });
});
