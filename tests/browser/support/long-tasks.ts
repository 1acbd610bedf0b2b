// The longest time that the main thread of a page runs at a stretch: its own time, not that of the clock. If a software GPU takes all
// cores, a page that waits for its turn does not block.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import type { Browser, Page } from 'puppeteer-core';
import { pause } from './waiting.js';

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds by the clock, and those that the thread ran. */
  readonly dur?: number;
  readonly tdur?: number;
}

const threadOf = ({ pid, tid }: TraceEvent): string => `${pid}:${tid}`;

/** Milliseconds that the longest task of a page's main thread ran while something was done; Chromium over its own protocol only. */
export async function longestTask(page: Page, action: () => Promise<unknown>): Promise<number> {
  await page.tracing.start({ categories: ['toplevel', 'disabled-by-default-devtools.timeline', 'blink.user_timing'] });
  // Other pages and the browser's own have main threads too.
  await page.evaluate(() => void performance.mark('the page'));
  await action();
  await pause(200);
  const { traceEvents } = JSON.parse(new TextDecoder().decode(await page.tracing.stop())) as { traceEvents: TraceEvent[] };
  const threads = new Set(traceEvents.filter(({ name }) => name === 'the page').map(threadOf));
  const tasks = traceEvents.filter((event) => event.name === 'RunTask' && threads.has(threadOf(event)));
  assert.ok(tasks.length > 10, 'the trace has no tasks');
  return Math.max(...tasks.map(({ dur = 0, tdur = dur }) => Math.min(dur, tdur) / 1000));
}

/** A stretch in which the page's own timer was not called, by the clock. */
interface Gap {
  readonly begin: number;
  readonly end: number;
}

// Globals of a watched page.
declare global {
  var gaps: Gap[];
}

/** Shorter gaps do not count. */
const SHORT_MS = 45;

/** Makes the page record, from now on, the gaps in which it was blocked. */
export async function watchGaps(page: Page): Promise<void> {
  await page.evaluate((short) => {
    globalThis.gaps = [];
    const now = (): number => performance.timeOrigin + performance.now();
    let last = now();
    setInterval(() => {
      const at = now();
      if (at - last > short) globalThis.gaps.push({ begin: last, end: at });
      last = at;
    }, 4);
  }, SHORT_MS);
}

const now = (): number => performance.timeOrigin + performance.now();

/** Milliseconds that a process's main thread ran so far; Linux only. */
function ranOf(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return undefined;
  }
}

function descendants(pid: number): number[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = new Map<number, number>();
  for (const each of all) {
    try {
      parents.set(each, Number(readFileSync(`/proc/${each}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const under = (each: number | undefined): boolean => each !== undefined && each > 1 && (each === pid || under(parents.get(each)));
  return all.filter(under);
}

/** The process of a page: the one that runs when the page gets work. */
async function processOf(browser: Browser, page: Page): Promise<number> {
  const all = descendants(browser.process()?.pid ?? 0).map((pid) => ({ pid, before: ranOf(pid) ?? Infinity }));
  await page.evaluate(() => {
    for (const end = performance.now() + 400; performance.now() < end; );
  });
  const [first] = all.map(({ pid, before }) => ({ pid, ran: (ranOf(pid) ?? 0) - before })).sort((a, b) => b.ran - a.ran);
  assert.ok(first && first.ran > 100, 'no process of the page was found');
  return first.pid;
}

/**
 * Milliseconds that a watched page's main thread ran in the longest of the gaps while something was done: for browsers that report
 * nothing about their tasks. Linux only.
 */
export async function longestGap(browser: Browser, page: Page, action: () => Promise<unknown>): Promise<{ ran: number; gap: number; gaps: number }> {
  const pid = await processOf(browser, page);
  await page.evaluate(() => void (globalThis.gaps = []));
  const samples: { at: number; ran: number }[] = [];
  const sample = (): void => void samples.push({ at: now(), ran: ranOf(pid) ?? 0 });
  sample();
  const timer = setInterval(sample, 4);
  await action();
  await pause(200);
  clearInterval(timer);
  sample();
  const gaps = await page.evaluate(() => globalThis.gaps);
  const ranIn = ({ begin, end }: Gap): number => {
    const from = samples.findLast(({ at }) => at <= begin) ?? samples[0];
    const to = samples.find(({ at }) => at >= end) ?? samples.at(-1);
    return Math.min(end - begin, (to?.ran ?? 0) - (from?.ran ?? 0));
  };
  return { ran: Math.max(0, ...gaps.map(ranIn)), gap: Math.max(0, ...gaps.map(({ begin, end }) => end - begin)), gaps: gaps.length };
}
