// The set-up of test files: one server, one browser and one page for all tests of a file, in each browser.

import assert from 'node:assert/strict';
import { after, before, beforeEach } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import type { LoadOptions } from '../../../www/lib/index.js';
import type { ServerOptions, StaticServer } from '../../../www/tools/serve.mjs';
import { type BrowserName, inBothBrowsers, openPage, type Start } from './browsers.js';
import { type FaultServer, type FaultyFile, startFaultServer } from './faulty-server.js';
import { clearCache, openForBytes } from './loads.js';
import { modelUrl, startSite } from './site.js';
import { loadStub, openStubbed, type Stub } from './stubbed-page.js';
import { chatModels, loadInPage } from './tiny-model.js';

/** A page with its browser and its server. They are there as soon as the first test runs. */
export class Tab {
  site!: StaticServer;
  browser!: Browser;
  page!: Page;
  /** Errors on the page's console, and exceptions that nobody caught. */
  problems: string[] = [];
  /** The origins that the page sent requests to. */
  origins = new Set<string>();

  constructor(
    readonly browserName: BrowserName,
    readonly start: Start,
  ) {}

  /** The address of a model on the tab's server. */
  url(file: string): string {
    return modelUrl(this.site, file);
  }
}

interface TestPage {
  /** Models that the server has, by the names of their files. */
  readonly models?: () => Record<string, string>;
  readonly intercept?: ServerOptions['intercept'];
  /** Whether tests provoke errors on the console. */
  readonly problems?: boolean;
  /** Last step before the first test. */
  readonly ready?: (tab: Tab) => Promise<unknown>;
}

/** Tests of the package in both browsers, each on a test page of its own. */
export function onTestPage({ models, intercept, problems = false, ready }: TestPage, body: (tab: Tab) => void): void {
  inBothBrowsers((browserName, start) => {
    const tab = new Tab(browserName, start);
    before(async () => {
      tab.site = await startSite(models?.() ?? {}, intercept);
      tab.browser = await start();
      Object.assign(tab, await openPage(tab.browser, `${tab.site.url}/test/`));
      await ready?.(tab);
    });
    after(async () => {
      await tab.site.close();
      if (!problems) assert.deepEqual(tab.problems, []);
    });
    body(tab);
  });
}

/** Tests in both browsers of a tiny model that is loaded once: the page's `model`. */
export function withModel(file: string, options: LoadOptions, body: (tab: Tab) => void): void {
  onTestPage({ models: chatModels, ready: ({ page, site }) => loadInPage(page, modelUrl(site, file), options) }, body);
}

interface StubbedPage extends Stub {
  /** Whether the stand-in is loaded before the first test. */
  readonly loaded: boolean;
}

/** Tests of the chat page in both browsers with a stand-in for the engine, in a wide window. */
export function onStubbedPage({ loaded, ...stub }: StubbedPage, body: (tab: Tab) => void): void {
  inBothBrowsers((browserName, start) => {
    const tab = new Tab(browserName, start);
    before(async () => {
      tab.site = await startSite({});
      tab.browser = await start(false);
      Object.assign(tab, await openStubbed(tab.browser, `${tab.site.url}/`, stub));
      await tab.page.setViewport({ width: 1280, height: 800 });
      if (loaded) await loadStub(tab.page);
    });
    after(async () => {
      await tab.site.close();
      assert.deepEqual(tab.problems, []);
    });
    body(tab);
  });
}

/** A tab whose models come from a server that can misbehave. Its `page` is for tests about bytes, whose kernels may do nothing. */
export class DownloadTab extends Tab {
  server!: FaultServer;
  /** A page whose kernels compute. */
  real!: Page;
  /** The file of the test that runs. */
  file!: FaultyFile;
}

/** Tests of downloads in both browsers. Each begins with an empty cache and a new, sound file with these bytes. */
export function withDownloads(bytes: Buffer, body: (tab: DownloadTab) => void): void {
  inBothBrowsers((browserName, start) => {
    const tab = new DownloadTab(browserName, start);
    let files = 0;
    before(async () => {
      tab.site = await startSite({});
      tab.server = await startFaultServer();
      tab.browser = await start();
      tab.page = await openForBytes(tab.browser, browserName, tab.site.url);
      tab.real = (await openPage(tab.browser, `${tab.site.url}/test/`)).page;
    });
    after(async () => {
      await tab.site.close();
      await tab.server.close();
    });
    beforeEach(async () => {
      await clearCache(tab.page);
      tab.file = tab.server.add(`model-${(files += 1)}.gguf`, bytes);
    });
    body(tab);
  });
}
