// The checks of Lighthouse without Lighthouse (its PWA checks are gone, its others are those of axe and of the browser, and it needs a
// newer Node.js than this project): Chromium's verdict on installing the page, the issues of its developer tools, the icons of the
// manifest, and a start without a network. axe runs in screens.test.ts.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, CDPSession, Page } from 'puppeteer-core';
import { controlled } from './support/app.js';
import { inBothBrowsers, launchWithDevtools, missing, openPage } from './support/browsers.js';
import { startSite } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

interface Icon {
  readonly src: string;
  readonly sizes: string;
  readonly type: string;
  readonly purpose?: string;
}

describe('chromium, by its developer tools', { skip: missing('chromium') }, () => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;
  let devtools: CDPSession;
  const issues: string[] = [];
  const problems: string[] = [];

  before(async () => {
    site = await startSite({});
    browser = await launchWithDevtools();
    page = await browser.newPage();
    devtools = await page.createCDPSession();
    devtools.on('Audits.issueAdded', ({ issue }) => issues.push(JSON.stringify(issue)));
    devtools.on('Log.entryAdded', ({ entry }) => void (['error', 'warning'].includes(entry.level) && problems.push(`${entry.level}: ${entry.text} ${entry.url ?? ''}`)));
    page.on('pageerror', (error) => problems.push(String(error)));
    await devtools.send('Audits.enable');
    await devtools.send('Log.enable');
    await page.goto(`${site.url}/`, { waitUntil: 'load' });
    await controlled(page);
  });
  after(async () => {
    await browser.close();
    await site.close();
  });

  it('would install it: no error in the manifest, none against installing', async () => {
    const { errors, data = '' } = await devtools.send('Page.getAppManifest');
    assert.deepEqual(errors, []);
    assert.equal((JSON.parse(data) as { id: string }).id, './');
    const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors');
    assert.deepEqual(installabilityErrors, []);
    const { appId, recommendedId } = await devtools.send('Page.getAppId');
    assert.equal(appId, `${site.url}/`, recommendedId);
  });

  it('starts from its own address without a network', async () => {
    await devtools.send('Network.enable');
    await devtools.send('Network.emulateNetworkConditions', { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 });
    const response = await page.goto(`${site.url}/`, { waitUntil: 'load' });
    assert.equal(response?.status(), 200);
    assert.ok(response.fromServiceWorker());
    await page.waitForSelector('.hero');
    await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  });

  it('has nothing to object to: no issue, no deprecation, no error, no warning', () => {
    // A software GPU, and the demo's list of models, which needs the network that was taken away.
    const known = /WebGPU|adapter|models\/index\.json|\/sw\.js|powerPreference/i;
    assert.deepEqual(problems.filter((problem) => !known.test(problem)), []);
    assert.deepEqual(issues.filter((issue) => !known.test(issue)), []);
  });
});

inBothBrowsers((_, start) => {
  let site: StaticServer;
  let page: Page;

  before(async () => {
    site = await startSite({});
    ({ page } = await openPage(await start(false), `${site.url}/`));
  });
  after(() => site.close());

  it('has icons that are what the manifest says: 192, 512, and one for any shape', async () => {
    const { icons, decoded } = await page.evaluate(async () => {
      const link = document.querySelector<HTMLLinkElement>('link[rel="manifest"]');
      const { icons: all } = (await (await fetch(link?.href ?? '')).json()) as { icons: Icon[] };
      const seen: { size: string; type: string; corners: number[] }[] = [];
      for (const { src } of all) {
        const response = await fetch(new URL(src, link?.href));
        const image = new Image();
        image.src = response.url;
        await image.decode();
        const { naturalWidth: width, naturalHeight: height } = image;
        const canvas = Object.assign(document.createElement('canvas'), { width: width || 1, height: height || 1 });
        const context = canvas.getContext('2d');
        context?.drawImage(image, 0, 0);
        const alpha = (x: number, y: number): number => context?.getImageData(x, y, 1, 1).data[3] ?? -1;
        const corners = [alpha(0, 0), alpha(width - 1, 0), alpha(0, height - 1), alpha(width - 1, height - 1)];
        seen.push({ size: `${width}x${height}`, type: response.headers.get('content-type') ?? '', corners });
      }
      return { icons: all, decoded: seen };
    });
    for (const size of ['192x192', '512x512']) assert.ok(icons.some(({ sizes, purpose = 'any' }) => sizes === size && purpose.includes('any')), size);
    for (const [at, { src, sizes, type, purpose }] of icons.entries()) {
      assert.equal(decoded[at]?.type.split(';')[0], type, src);
      if (sizes !== 'any') assert.equal(decoded[at]?.size, sizes, src);
      // The platform cuts its own shape out of it: no corner may be empty.
      if (purpose === 'maskable') assert.deepEqual(decoded[at]?.corners, [255, 255, 255, 255], src);
    }
    assert.ok(icons.some(({ purpose, sizes }) => purpose === 'maskable' && sizes === '512x512'));
  });

  it('says what a page has to say of itself', async () => {
    const said = await page.evaluate(() => ({
      doctype: document.doctype?.name ?? '',
      quirks: document.compatMode,
      charset: document.characterSet,
      lang: document.documentElement.lang,
      title: document.title,
      description: document.querySelector<HTMLMetaElement>('meta[name=description]')?.content.length ?? 0,
      viewport: document.querySelector<HTMLMetaElement>('meta[name=viewport]')?.content ?? '',
      themes: document.querySelectorAll('meta[name=theme-color]').length,
      touch: document.querySelector<HTMLLinkElement>('link[rel=apple-touch-icon]')?.href ?? '',
      headings: document.querySelectorAll('h1').length,
      secure: isSecureContext,
      ids: [...document.querySelectorAll('[id]')].map(({ id }) => id),
    }));
    assert.deepEqual([said.doctype, said.quirks, said.charset, said.lang, said.secure], ['html', 'CSS1Compat', 'UTF-8', 'en', true]);
    assert.ok(said.title !== '' && said.description > 50 && said.themes === 2 && said.headings === 1);
    assert.match(said.viewport, /width=device-width/);
    assert.doesNotMatch(said.viewport, /user-scalable=no|maximum-scale/, 'zooming is the reader’s');
    assert.match(said.touch, /\.png$/);
    assert.equal(new Set(said.ids).size, said.ids.length);
  });
});
