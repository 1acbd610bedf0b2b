// gemma-web against other engines, in the same browser on the same machine: `./build.sh bench --peers`.
//
// Each engine has a tab. After a warm-up that does not count, the engines take turns, so that other work on the machine
// slows both alike. Medians are compared; COMPARISONS has the required ratios.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'puppeteer-core';
import { startServer } from '../../../www/tools/serve.mjs';
import { type BrowserName, launch, openPage } from '../../browser/browsers.js';

const ROOT = process.cwd();
const HERE = join(ROOT, 'tests/bench/peers');
const SHORT_PROMPT = 19;
const LONG_PROMPT = 254;
const ANSWER = 16;

type Metric = 'decode' | 'firstToken' | 'prefill';

interface Comparison {
  readonly browser: BrowserName;
  readonly peer: string;
  /** The model of each engine: a path on the server. */
  readonly ourModel: string;
  readonly peerModel: string;
  /** Tokens that the peer puts around a prompt, beginning-of-sequence included. */
  readonly around: number;
  /** Required ratio of gemma-web's speed to the peer's; a quantity without a requirement is not measured. */
  readonly demands: Readonly<Partial<Record<Metric, number>>>;
}

const Q4_0 = '/peer-models/gemma-3-270m-q4_0.gguf';
const Q8_0 = '/peer-models/gemma-3-270m-q8_0.gguf';
const COMPARISONS: readonly Comparison[] = [
  {
    browser: 'firefox',
    peer: 'transformers',
    ourModel: Q4_0,
    peerModel: '/peer-models/gemma-3-270m-onnx',
    around: 1,
    demands: { decode: 2, firstToken: 2, prefill: 2 },
  },
  {
    browser: 'firefox',
    peer: 'wllama',
    ourModel: Q8_0,
    peerModel: Q8_0,
    around: 1,
    demands: { decode: 8, firstToken: 8, prefill: 4 },
  },
  {
    browser: 'chromium',
    peer: 'gemma-webgpu',
    ourModel: Q8_0,
    peerModel: Q8_0,
    // <bos><start_of_turn>user\n … <end_of_turn>\n<start_of_turn>model\n
    around: 9,
    demands: { decode: 3, firstToken: 3 },
  },
];

/** A prompt by its text and, for an engine without a tokenizer, by its ids. */
interface Prompt {
  readonly text: string;
  readonly ids: readonly number[];
}

/** Result of bench.run in page/bench.js. */
interface Run {
  readonly firstTokenMs: number;
  /** From the first token to the last. */
  readonly decodeMs: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly text?: string;
  readonly ids?: readonly number[];
  /** Times as the engine itself reports them. */
  readonly own?: unknown;
}

declare const bench: {
  load(engine: string, model: string): Promise<number>;
  run(prompt: Prompt, maxTokens: number): Promise<Run>;
  tokenize(text: string): Promise<number[]>;
};

/** Tokens a second; the first token in milliseconds. */
type Rates = Record<Metric, number>;

class Engine {
  readonly loadMs: number;
  readonly runs: { readonly short: Run; readonly long: Run | null }[] = [];

  private constructor(
    readonly name: string,
    readonly model: string,
    readonly page: Page,
    loadMs: number,
  ) {
    this.loadMs = loadMs;
  }

  static async load(browser: Browser, url: string, name: string, model: string): Promise<Engine> {
    const { page, problems } = await openPage(browser, `${url}/bench/`);
    const loadMs = await page.evaluate((...args) => bench.load(...args), name, model).catch((error: unknown) => {
      throw new Error(`${name} did not load: ${String(error)}\n${problems.join('\n')}`);
    });
    return new Engine(name, model, page, loadMs);
  }

  /** One generation, in the foreground: browsers slow the timers of a tab in the background down. */
  private async run(prompt: Prompt, promptTokens: number, maxTokens: number): Promise<Run> {
    await this.page.bringToFront();
    const run = await this.page.evaluate((...args) => bench.run(...args), prompt, maxTokens);
    // A model may end its answer early; a few tokens give a rate as well.
    if (run.promptTokens !== promptTokens || run.completionTokens < maxTokens / 2) {
      const tokens = `${run.promptTokens} tokens of prompt and ${run.completionTokens} of answer`;
      throw new Error(`${this.name} computed ${tokens}, not ${promptTokens} and ${maxTokens}`);
    }
    return run;
  }

  async turn(short: Prompt, long: Prompt | undefined): Promise<void> {
    this.runs.push({
      short: await this.run(short, SHORT_PROMPT, ANSWER),
      long: long === undefined ? null : await this.run(long, LONG_PROMPT, 1),
    });
    process.stderr.write('.');
  }

  rates(): Rates {
    const of = (metric: (run: (typeof this.runs)[number]) => number): number => median(this.runs.map(metric));
    return {
      decode: of(({ short }) => (short.completionTokens - 1) / (short.decodeMs / 1000)),
      firstToken: of(({ short }) => short.firstTokenMs),
      prefill: of(({ long }) => (long === null ? NaN : long.promptTokens / (long.firstTokenMs / 1000))),
    };
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** Different passages of a book, each with an exact number of tokens, so that no engine's cache of one helps with the next. */
class Prompts {
  private readonly words = readFileSync(join(ROOT, 'tests/data/real/ppl-text.txt'), 'utf8').split(/\s+/);
  private at = 0;

  constructor(private readonly page: Page) {}

  async next(tokens: number): Promise<Prompt> {
    for (let count = 1; this.at + count <= this.words.length; count += 1) {
      const text = this.words.slice(this.at, this.at + count).join(' ');
      const ids = await this.page.evaluate((words) => bench.tokenize(words), text);
      if (ids.length < tokens) continue;
      this.at += ids.length === tokens ? count : 1;
      if (ids.length === tokens) return { text, ids: [2, ...ids] };
      count = Math.max(0, count - 3);
    }
    throw new Error('the text for the prompts is too short');
  }
}

async function compare(comparison: Comparison, url: string, runs: number): Promise<[ours: Engine, peer: Engine]> {
  const { browser: browserName, peer: peerName, ourModel, peerModel, around, demands } = comparison;
  const browser = await launch(browserName);
  try {
    const ours = await Engine.load(browser, url, 'gemma-web', ourModel);
    const peer = await Engine.load(browser, url, peerName, peerModel);
    const prompts = new Prompts(ours.page);
    for (let run = 0; run <= runs; run += 1) {
      // The same words for both, unless the peer adds some of its own.
      const pair = async (tokens: number): Promise<readonly [ours: Prompt, peer: Prompt]> => {
        const prompt = await prompts.next(tokens - 1);
        return [prompt, around === 1 ? prompt : await prompts.next(tokens - around)];
      };
      const short = await pair(SHORT_PROMPT);
      const long = demands.prefill === undefined ? undefined : await pair(LONG_PROMPT);
      await ours.turn(short[0], long?.[0]);
      await peer.turn(short[1], long?.[1]);
    }
    process.stderr.write('\n');
    // The first turn is the warm-up.
    for (const engine of [ours, peer]) engine.runs.shift();
    return [ours, peer];
  } finally {
    await browser.close();
  }
}

const METRICS: readonly { readonly metric: Metric; readonly label: string; readonly show: (value: number) => string }[] = [
  { metric: 'decode', label: 'decode', show: (value) => `${value.toFixed(2)} tokens/s` },
  { metric: 'firstToken', label: `first of ${SHORT_PROMPT}`, show: (value) => `${(value / 1000).toFixed(2)} s` },
  { metric: 'prefill', label: `prefill of ${LONG_PROMPT}`, show: (value) => `${value.toFixed(1)} tokens/s` },
];

/** Prints the measurements, and returns them as a record. */
function report(comparison: Comparison, engines: readonly [Engine, Engine]): { met: boolean; [key: string]: unknown } {
  const [ours, peer] = engines;
  const [ourRates, peerRates] = [ours.rates(), peer.rates()];
  console.log(`\n${comparison.browser}: gemma-web (${ours.model}) and ${peer.name} (${peer.model})`);
  const print = (...cells: readonly string[]): void => console.log(cells.map((cell) => cell.padEnd(18)).join('').trimEnd());
  print('', 'gemma-web', peer.name, 'times as fast', 'demanded');
  print('load', ...engines.map(({ loadMs }) => `${(loadMs / 1000).toFixed(1)} s`));
  const ratios: Partial<Record<Metric, number>> = {};
  let met = true;
  for (const { metric, label, show } of METRICS) {
    const demanded = comparison.demands[metric];
    if (demanded === undefined) continue;
    const [a, b] = [ourRates[metric], peerRates[metric]];
    const ratio = metric === 'firstToken' ? b / a : a / b;
    ratios[metric] = ratio;
    met &&= ratio >= demanded;
    print(label, show(a), show(b), ratio.toFixed(2), `${demanded}: ${ratio >= demanded ? 'met' : 'NOT MET'}`);
  }
  const record = engines.map(({ name, model, loadMs, runs }) => ({ engine: name, model, loadMs, runs }));
  return { ...comparison, ratios, met, engines: record };
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      browser: { type: 'string' },
      peer: { type: 'string' },
      runs: { type: 'string', default: '3' },
      json: { type: 'string' },
      models: { type: 'string' },
    },
  });
  const { models } = values;
  if (models === undefined) throw new Error('--models FOLDER is missing');
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${values.runs}: a number from 1 on`);
  const wanted = COMPARISONS.filter(
    ({ browser, peer }) => (values.browser ?? browser) === browser && (values.peer ?? peer) === peer,
  );
  if (wanted.length === 0) {
    const known = COMPARISONS.map(({ browser, peer }) => `${peer} in ${browser}`).join(', ');
    throw new Error(`there is no such comparison; there are: ${known}`);
  }
  const site = await startServer({
    mounts: {
      '/bench/': join(HERE, 'page'),
      '/npm/': join(HERE, 'node_modules'),
      '/gemma-web/': join(ROOT, 'dist/gemma-web'),
      '/peer-models/': models,
    },
    // The peers start workers from blobs, and threads if the page is isolated.
    headers: {
      'Content-Security-Policy': "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:",
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    },
  });
  const records = [];
  try {
    for (const comparison of wanted) records.push(report(comparison, await compare(comparison, site.url, runs)));
  } finally {
    await site.close();
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(records, null, 2)}\n`);
  return records.every(({ met }) => met);
}

process.exitCode = (await main()) ? 0 : 1;
