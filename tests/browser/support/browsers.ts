// The driver of both browsers: puppeteer-core over WebDriver BiDi.

import { after, describe } from 'node:test';
import puppeteer, { type Browser, type BrowserContext, type LaunchOptions, type Page } from 'puppeteer-core';

export type BrowserName = 'chromium' | 'firefox';

/** Longest time of one step in a page: the real model on a software GPU is slow. */
const STEP_MS = 600_000;

const EXECUTABLES: Record<BrowserName, string | undefined> = {
  chromium: process.env['GEMMA_WEB_CHROMIUM'] || undefined,
  firefox: process.env['GEMMA_WEB_FIREFOX'] || undefined,
};

// The networkless flags keep Chromium from looking up its maker's hosts at every start.
const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--no-first-run',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const CHROMIUM_WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'];

function pathOf(name: BrowserName): string {
  const executablePath = EXECUTABLES[name];
  if (executablePath === undefined) throw new Error(`no ${name}: set GEMMA_WEB_${name.toUpperCase()} to its path`);
  return executablePath;
}

/** Chromium over its own protocol, which knows the heap of a worker. */
export async function launchWithDevtools(): Promise<Browser> {
  const args = [...CHROMIUM_ARGS, ...CHROMIUM_WEBGPU];
  return puppeteer.launch({ executablePath: pathOf('chromium'), headless: true, protocolTimeout: STEP_MS, browser: 'chrome', args });
}

/** The reason why tests of this browser can't run here; false if `CI` is set, so that they fail there. */
export const missing = (name: BrowserName): string | false =>
  EXECUTABLES[name] === undefined && !process.env['CI'] ? `${name} is not installed` : false;

/** Starts a browser; `prefs` are Firefox's. */
export async function launch(name: BrowserName, webgpu = true, prefs: Record<string, unknown> = {}): Promise<Browser> {
  const executablePath = pathOf(name);
  const common = { executablePath, headless: true, protocol: 'webDriverBiDi', protocolTimeout: STEP_MS } satisfies LaunchOptions;
  return puppeteer.launch(
    name === 'chromium'
      ? { ...common, browser: 'chrome', args: webgpu ? [...CHROMIUM_ARGS, ...CHROMIUM_WEBGPU] : CHROMIUM_ARGS }
      : {
          ...common,
          browser: 'firefox',
          extraPrefsFirefox: {
            'dom.webgpu.enabled': webgpu,
            'dom.webgpu.workers.enabled': webgpu,
            // Software adapters are on the list of the blocked ones.
            'gfx.webgpu.ignore-blocklist': true,
            ...prefs,
          },
        },
  );
}

/** A page at `url`, with its errors and the origins that it sent requests to. */
export async function openPage(browser: Browser | BrowserContext, url: string): Promise<{ page: Page; problems: string[]; origins: Set<string> }> {
  const page = await browser.newPage();
  const problems: string[] = [];
  const origins = new Set<string>();
  page.on('request', (request) => void origins.add(new URL(request.url()).origin));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`uncaught: ${String(error)}`));
  await page.goto(url, { waitUntil: 'load' });
  return { page, problems, origins };
}

/** Starts a browser that is closed after the tests of the file; `prefs` are Firefox's. */
export type Start = (webgpu?: boolean, prefs?: Record<string, unknown>) => Promise<Browser>;

/**
 * The same tests for each browser. A browser that is not installed is reported as skipped on a developer's machine. If `CI`
 * is set, its tests fail: there no test may pass unrun.
 */
export function inBothBrowsers(body: (name: BrowserName, start: Start) => void): void {
  for (const name of ['chromium', 'firefox'] as const) {
    describe(name, { skip: missing(name) }, () => {
      const started: Browser[] = [];
      after(async () => {
        for (const browser of started) await browser.close();
      });
      body(name, async (webgpu = true, prefs = {}) => {
        const browser = await launch(name, webgpu, prefs);
        started.push(browser);
        return browser;
      });
    });
  }
}
