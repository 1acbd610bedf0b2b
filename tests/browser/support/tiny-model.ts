// A tiny model in a page, loaded once for all tests of a file, and asked from here.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'puppeteer-core';
import type { GenerateOptions, GenerateResult, LoadOptions, Prompt } from '../../../www/lib/index.js';
import { tunedForChat } from './gguf.js';
import { TINY } from './site.js';

export const BASE = 'tiny-gemma3-q4_0.gguf';
export const CHAT = 'tiny-gemma3-chat.gguf';
export const CHAT2 = 'tiny-gemma2-chat.gguf';

/** Tiny models by name, those of conversations made for this run. */
export function chatModels(): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'gemma-web-'));
  const made = (name: string, from: string): string => {
    writeFileSync(join(folder, name), tunedForChat(join(TINY, from)));
    return join(folder, name);
  };
  return { [BASE]: join(TINY, BASE), [CHAT]: made(CHAT, BASE), [CHAT2]: made(CHAT2, 'tiny-gemma2-q4_0.gguf') };
}

/** Loads a model as the page's own, in place of the last. */
export async function loadInPage(page: Page, url: string, options: LoadOptions = {}): Promise<void> {
  await page.evaluate(
    async (address, given) => {
      globalThis.model?.dispose();
      globalThis.unhandled = [];
      globalThis.onunhandledrejection = ({ reason }) => void globalThis.unhandled.push(String(reason));
      globalThis.model = await gemmaWeb.loadGemma(address, given);
    },
    url,
    { kv: 'f32', tuning: 'f32/1', ...options } satisfies LoadOptions,
  );
}

/** Options that can be sent to the page. */
type PlainOptions = Omit<GenerateOptions, 'signal' | 'onToken' | 'onPrefillProgress' | 'template'>;

/** Generates in the page; greedily, unless the options say otherwise. */
export function generate(page: Page, prompt: Prompt, options: PlainOptions = {}): Promise<GenerateResult> {
  return page.evaluate(
    async (text, given) => ({ ...(await model.generate(text, given)) }),
    prompt as string,
    { temperature: 0, ...options } as PlainOptions & { stop?: string },
  );
}

/** The code, or the name, that a generation in the page is rejected with. */
export function refused(page: Page, prompt: Prompt, options: PlainOptions = {}): Promise<string> {
  return page.evaluate(
    (text, given) => model.generate(text, given).then(() => 'accepted', (error) => String(error.code ?? error.name)),
    prompt as string,
    options as PlainOptions & { stop?: string },
  );
}

export function logits(page: Page, ids: readonly number[]): Promise<number[]> {
  return page.evaluate(async (given) => Array.from(await model.logits(given)), ids);
}

/** Penalties as they are documented, on the logits after `ids`. */
export function penalised(values: readonly number[], ids: readonly number[], { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 }: PlainOptions): number[] {
  const counts = new Map<number, number>();
  for (const id of ids.slice(-64)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return values.map((value, id) => {
    const count = counts.get(id);
    if (count === undefined) return value;
    return (value > 0 ? value / repetitionPenalty : value * repetitionPenalty) - count * frequencyPenalty - presencePenalty;
  });
}

/** The index of the largest number, and its distance from the second largest. */
export function likeliest(values: readonly number[]): { readonly id: number; readonly margin: number } {
  const order = values.map((value, id) => ({ value, id })).sort((a, b) => b.value - a.value);
  const [first, second] = order;
  assert.ok(first && second);
  return { id: first.id, margin: first.value - second.value };
}

/** Natural logarithms of the probabilities. */
export function logSoftmax(values: readonly number[]): number[] {
  const top = Math.max(...values);
  const sum = Math.log(values.reduce((total, value) => total + Math.exp(value - top), 0));
  return values.map((value) => value - top - sum);
}

/** Token ids of no meaning, the same each time; none of them is a control token. */
export function someIds(count: number): number[] {
  let state = 1;
  const next = (): number => (state = (state * 16807) % 2147483647);
  return [2, ...Array.from({ length: count - 1 }, () => 300 + (next() % 600))];
}
