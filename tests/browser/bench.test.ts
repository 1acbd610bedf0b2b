// The benchmark, through the package and on its page.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, it } from 'node:test';
import type { Browser, ElementHandle, Page } from 'puppeteer-core';
import type { BenchReport } from '../../www/lib/index.js';
import { waitForText } from './support/app.js';
import { inBothBrowsers, openPage } from './support/browsers.js';
import { modelUrl, startSite, tinyModels } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

const MODEL = 'tiny-gemma1-q4_0.gguf';
const SHOTS = 'www/dist/screenshots';
/** Longest time of a benchmark. */
const BENCH_MS = 240_000;

async function set(page: Page, values: Readonly<Record<string, string>>): Promise<void> {
  for (const [selector, value] of Object.entries(values)) {
    await page.$eval(
      selector,
      (input, text) => {
        (input as HTMLInputElement).value = text;
        input.dispatchEvent(new Event('input', { bubbles: true }));
        input.dispatchEvent(new Event('change', { bubbles: true }));
      },
      value,
    );
  }
}

inBothBrowsers((browserName, start) => {
  let site: StaticServer;
  let browser: Browser;
  let page: Page;
  let problems: string[];
  let origins: Set<string>;
  let file: string;

  before(async () => {
    file = tinyModels()[MODEL] ?? '';
    site = await startSite({ [MODEL]: file });
    browser = await start();
    await mkdir(SHOTS, { recursive: true });
    ({ page, problems, origins } = await openPage(browser, `${site.url}/bench.html`));
    await page.setViewport({ width: 1000, height: 1400 });
  });
  after(() => site.close());

  it('measures a model of its server, and shows what it found', async (context) => {
    await waitForText(page, '#status', /in sight/, BENCH_MS);
    await set(page, { '#protocol': 'litert' });
    assert.equal(await page.$eval('#prompt-tokens', (input) => (input as HTMLInputElement).value), '1024');
    await set(page, { '#protocol': 'llama-bench', '#prompt-tokens': '70', '#generated-tokens': '8', '#repetitions': '2', '#depth': '512' });
    await page.click('#start');
    await waitForText(page, '#status', /^(?:Done|.*\([a-z_]+\)$)/, BENCH_MS);
    const tests = await page.$$eval('#speeds tbody th', (cells) => cells.map((cell) => cell.textContent));
    assert.deepEqual(tests, ['pp70', 'tg8', ...[0, 32, 64, 128, 256, 512].map((depth) => `tg8 @ d${depth}`)]);
    const speeds = await page.$$eval('#speeds tbody td:nth-child(2)', (cells) => cells.map((cell) => Number(cell.textContent)));
    assert.ok(speeds.length === 8 && speeds.every((speed) => speed > 0), String(speeds));
    assert.equal(await page.$$eval('#plot circle', (points) => points.length), 6);
    assert.ok((await page.$$eval('#kernels tbody tr', (rows) => rows.length)) > 6);
    const report = JSON.parse(await page.$eval('#json', (element) => element.textContent ?? '')) as BenchReport;
    assert.equal(report.label, `/models/${MODEL}`);
    assert.equal(report.file.name, MODEL);
    assert.match(report.host ?? '', /Mozilla/);
    assert.ok(report.prompt && report.generation && report.perToken && report.roofline && report.kernels);
    assert.equal(report.perToken.objects, 0);
    context.diagnostic(
      `${browserName}: memory ${report.roofline.gigabytesPerSecond.toFixed(1)} GB/s, features [${report.features.join(' ')}], ` +
        `kernels by ${report.kernels.decode.method}`,
    );
    await page.screenshot({ path: `${SHOTS}/bench-${browserName}.png`, fullPage: true });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]).catch(() => undefined);
    await page.screenshot({ path: `${SHOTS}/bench-${browserName}-dark.png`, fullPage: true });
  });

  it('stops when asked to, and measures a file from the disk afterwards', async () => {
    await set(page, { '#prompt-tokens': '300', '#repetitions': '50', '#depth': '0' });
    await page.click('#start');
    await waitForText(page, '#status', /Prompt/, BENCH_MS);
    await page.click('#cancel');
    await waitForText(page, '#status', /^Cancelled\.$/, BENCH_MS);
    await set(page, { '#prompt-tokens': '20', '#repetitions': '1', '#generated-tokens': '4' });
    const input = (await page.$('#file')) as ElementHandle<HTMLInputElement>;
    await input.uploadFile(file);
    await page.click('#start');
    await waitForText(page, '#status', /^(?:Done|.*\([a-z_]+\)$)/, BENCH_MS);
    assert.match(await page.$eval('#subject', (element) => element.textContent ?? ''), new RegExp(`^${MODEL}`));
    assert.equal(await page.$eval('#plot-figure', (figure) => (figure as HTMLElement).hidden), true);
  });

  it('asks nobody but its own server, and leaves no error on the console', () => {
    assert.deepEqual(problems, []);
    const asked = [...origins].filter((origin) => origin !== 'null' && origin !== `blob:${site.url}`);
    assert.deepEqual(asked, [site.url]);
  });

  it('is a method of the package', async () => {
    const test = await openPage(browser, `${site.url}/test/`);
    const found = await test.page.evaluate(async (url) => {
      const model = await gemmaWeb.loadGemma(url, { contextLength: 64 });
      const failure = (promise: Promise<unknown>): Promise<{ name?: string; code?: string; details?: Record<string, unknown> }> =>
        promise.then(
          () => ({}),
          (error: { name: string; code: string; details: Record<string, unknown> }) => ({ name: error.name, code: error.code, details: error.details }),
        );
      const options = { promptTokens: 20, generatedTokens: 4, repetitions: 1, warmups: 0, roofline: false, kernels: false };
      const steps: { done: number; total: number }[] = [];
      const report = await model.bench({ ...options, protocol: 'litert', onProgress: (progress) => void steps.push(progress) });
      const long = await failure(model.bench({ ...options, promptTokens: 100 }));
      const wrong = await failure(model.bench({ ...options, protocol: 'mlperf' } as never));
      const controller = new AbortController();
      const aborted = await failure(model.bench({ ...options, repetitions: 50, signal: controller.signal, onProgress: () => controller.abort() }));
      const again = await model.generate('a', { maxTokens: 1 });
      model.dispose();
      return { report, steps, long, wrong, aborted, again };
    }, modelUrl(site, MODEL));
    assert.equal(found.report.generation?.depth, 20);
    assert.ok(found.report.stats.wasmBytes > 0);
    assert.deepEqual(found.steps.map(({ done }) => done), found.steps.map((_, index) => index + 1));
    assert.equal(found.steps.length, found.steps[0]?.total);
    assert.equal(found.long.details?.['option'], 'contextLength');
    assert.equal(found.wrong.details?.['option'], 'protocol');
    assert.equal(found.aborted.name, 'AbortError');
    assert.equal(found.again.tokens.length, 1);
  });
});
