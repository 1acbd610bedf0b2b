// The messages between the page's half (client.ts) and the worker's half (worker.ts).

import type { BenchProgress, BenchReport } from './bench.js';
import type { CacheEntry, CacheReport } from './cache.js';
import type { ErrorRecord } from './errors.js';
import type { SentSource } from './sources.js';
import type { FromWriter, ToWriter } from './writer.js';
import type { GenerateResult, Inspection, LoadProgress, ModelInfo, ModelStats, TokenPiece } from './types.js';

/** Text, or token ids that are taken as they are (no beginning-of-sequence token is added). */
export type Prompt = string | readonly number[];

/** Options as the caller wrote them, without callbacks and signal: the engine checks them in one place. */
export type PlainOptions = Readonly<Record<string, unknown>>;

/** What can be asked of the worker, by name: what is sent and what comes back. */
export interface Calls {
  load: { send: { readonly source: SentSource; readonly cache: boolean; readonly options: PlainOptions }; back: ModelInfo };
  inspect: { send: { readonly source: SentSource; readonly cache: boolean; readonly options: PlainOptions }; back: Inspection };
  generate: { send: { readonly prompt: Prompt; readonly options: PlainOptions }; back: GenerateResult };
  tokenize: { send: { readonly text: string }; back: number[] };
  logits: { send: { readonly ids: readonly number[] }; back: Float32Array };
  stats: { send: Record<never, never>; back: ModelStats };
  bench: { send: { readonly options: PlainOptions }; back: BenchReport };
  cacheList: { send: Record<never, never>; back: CacheEntry[] };
  cacheSize: { send: Record<never, never>; back: number };
  cacheDelete: { send: { readonly entry: string }; back: boolean };
  cacheClear: { send: Record<never, never>; back: undefined };
  cacheVerify: { send: { readonly entry: string }; back: CacheReport };
  cacheExport: { send: { readonly entry: string }; back: File };
}

/** The name of a call. */
export type CallName = keyof Calls;

/** One call, with the id its answers carry. */
export type CallMessage = { [Name in CallName]: { readonly type: Name; readonly id: number } & Calls[Name]['send'] }[CallName];

/** From the page to the worker. `written`: an answer of the worker that writes. */
export type ToWorker = CallMessage | { readonly type: 'abort'; readonly id: number } | { readonly type: 'written'; readonly message: FromWriter };

/** From the worker to the page. `fatal` ends every call: the engine can't be used any more. `persist`: something is about to be stored. `write`: for the worker that writes, which
 * the page starts: a worker that is ended waits in Firefox until those that it started have ended. */
export type FromWorker =
  | { readonly type: 'persist' }
  | { readonly type: 'write'; readonly message: ToWriter }
  | { readonly type: 'progress'; readonly id: number; readonly progress: LoadProgress }
  | { readonly type: 'token'; readonly id: number; readonly piece: TokenPiece }
  | { readonly type: 'step'; readonly id: number; readonly step: BenchProgress }
  | { readonly type: 'done'; readonly id: number; readonly value: Calls[CallName]['back'] }
  | { readonly type: 'failed'; readonly id: number; readonly error: ErrorRecord }
  | { readonly type: 'fatal'; readonly error: ErrorRecord };
