// The packed tarball in projects as people have them: each builds, loads a tiny model and generates the golden text, without
// a console error or a request outside its origin.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'puppeteer-core';
import { type StaticServer, startServer } from '../../www/tools/serve.mjs';
import { inBothBrowsers, openPage } from '../browser/browsers.js';
import { tinyModels } from '../browser/site.js';
import { APPS, type App, buildApp, makeProjects } from './apps.js';

/** Greedy tokens whose margin no rounding flips, and their text. */
const GOLDEN = { text: 'ves eat sayFound', tokens: [811, 838, 733, 308, 638] };

interface Page {
  outcome: Promise<unknown>;
}

let projects: Awaited<ReturnType<typeof makeProjects>>;

before(async () => {
  projects = await makeProjects(APPS.map(({ name }) => name));
});
after(() => projects.remove());

describe('builds', () => {
  for (const app of APPS) it(app.name, () => buildApp(app, projects.folder(app.name)));
});

/** The app on an origin of its own. */
function serve(app: App): Promise<StaticServer> {
  return startServer({
    mounts: { '/': join(projects.folder(app.name), app.served) },
    models: tinyModels(),
    headers: { 'Content-Security-Policy': app.policy },
  });
}

inBothBrowsers((_name, start) => {
  let browser: Browser;
  before(async () => {
    browser = await start();
  });

  for (const app of APPS) {
    it(app.name, async () => {
      const site = await serve(app);
      try {
        const { page, problems, origins } = await openPage(browser, `${site.url}/`);
        const outcome = await page.evaluate(() => (globalThis as unknown as Page).outcome).catch((error: unknown) => String(error));
        assert.deepEqual(problems, []);
        assert.deepEqual(outcome, GOLDEN);
        // The icon is a `data:` address.
        origins.delete('null');
        assert.deepEqual([...origins], [site.url]);
        await page.close();
      } finally {
        await site.close();
      }
    });
  }
});
