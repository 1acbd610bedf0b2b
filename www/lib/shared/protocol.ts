// The messages between the page's half (client.ts) and the engine's half (host.ts), which is in a worker or not.

import type { BenchProgress, BenchReport } from '../types/bench.js';
import type { CacheEntry, CacheReport } from '../page/cache.js';
import type { ErrorRecord } from './errors.js';
import type { GenerateResult, Message, PrefillProgress, Score, TokenPiece } from '../types/generate.js';
import type { SentSource } from '../page/source.js';
import type { DeviceLoss, GpuMemory, Inspection, LoadProgress, ModelInfo, ModelStats } from '../types/model.js';
import type { FromWriter, ToWriter } from '../engine/opfs-writer.js';

/** Options as the caller wrote them, without callbacks and signal: the engine checks them in one place. */
export type PlainOptions = Readonly<Record<string, unknown>>;

/** What is generated from, as the engine takes it. */
export type SentPrompt =
  | { readonly text: string }
  | { readonly ids: readonly number[] }
  | { readonly messages: readonly Message[] }
  /** A conversation in a format of the page's own. */
  | { readonly rendered: string }
  /** What the user says next in a session. */
  | { readonly say: string };

/** What a session begins with. */
export interface SentSession {
  readonly system: string | undefined;
  readonly history: readonly Message[];
  /** Whether the page renders its prompts and keeps its history. */
  readonly rendered: boolean;
}

/** What is loaded from, and how. */
export interface SentLoad {
  readonly source: SentSource;
  readonly cache: boolean;
  readonly options: PlainOptions;
}

/** Nothing. */
type None = Record<never, never>;

/** What can be asked of the engine's half, by name: what is sent and what comes back. */
export interface Calls {
  /** `idleTimeout`: milliseconds without a call after which it sleeps. */
  load: { send: SentLoad & { readonly idleTimeout: number | undefined }; back: ModelInfo };
  inspect: { send: SentLoad; back: Inspection };
  generate: {
    send: { readonly prompt: SentPrompt; readonly session: number | undefined; readonly options: PlainOptions };
    /** `history` with a session's `say`: what was said so far. */
    back: { readonly result: GenerateResult; readonly history: Message[] | undefined };
  };
  sessionOpen: { send: SentSession; back: number };
  sessionClone: { send: { readonly session: number }; back: number };
  sessionClose: { send: { readonly session: number }; back: undefined };
  /** `messages` of the history are left. */
  sessionRewind: { send: { readonly session: number; readonly messages: number }; back: undefined };
  sessionSave: { send: { readonly session: number }; back: Blob };
  sessionRestore: { send: { readonly blob: Blob }; back: { readonly session: number; readonly history: Message[] } };
  tokenize: { send: { readonly text: string }; back: number[] };
  detokenize: { send: { readonly ids: readonly number[] }; back: string };
  countTokens: { send: { readonly prompt: SentPrompt }; back: number };
  renderChat: { send: { readonly messages: readonly Message[] }; back: string };
  embed: { send: { readonly text: string }; back: Float32Array };
  score: { send: { readonly text: string }; back: Score };
  logits: { send: { readonly ids: readonly number[] }; back: Float32Array };
  sleep: { send: None; back: undefined };
  memory: { send: None; back: GpuMemory };
  stats: { send: None; back: ModelStats };
  bench: { send: { readonly options: PlainOptions }; back: BenchReport };
  cacheList: { send: None; back: CacheEntry[] };
  cacheSize: { send: None; back: number };
  cacheDelete: { send: { readonly entry: string }; back: boolean };
  cacheClear: { send: None; back: undefined };
  cacheVerify: { send: { readonly entry: string }; back: CacheReport };
  cacheExport: { send: { readonly entry: string }; back: File };
}

/** The name of a call. */
export type CallName = keyof Calls;

/** One call, with the id its answers carry. */
export type CallMessage = { [Name in CallName]: { readonly type: Name; readonly id: number } & Calls[Name]['send'] }[CallName];

/** From the page to the engine's half. `stop` ends a generation gently. `written`: an answer of the worker that writes. */
export type ToHost =
  | CallMessage
  | { readonly type: 'abort'; readonly id: number }
  | { readonly type: 'stop'; readonly id: number }
  | { readonly type: 'written'; readonly message: FromWriter };

/** What a call that is not answered yet tells. */
export type Event =
  | { readonly type: 'progress'; readonly progress: LoadProgress }
  | { readonly type: 'prefill'; readonly progress: PrefillProgress }
  | { readonly type: 'token'; readonly piece: TokenPiece }
  | { readonly type: 'step'; readonly step: BenchProgress }
  | { readonly type: 'lost'; readonly loss: DeviceLoss };

/** What the page does for a load: it asks that files be kept, since something is about to be stored, and hands on what is to be written. */
export type Errand = { readonly type: 'persist' } | { readonly type: 'write'; readonly message: ToWriter };

/** From the engine's half to the page. `fatal` ends every call: the engine can't be used any more. */
export type FromHost =
  | Errand
  | (Event & { readonly id: number })
  | { readonly type: 'done'; readonly id: number; readonly value: Calls[CallName]['back'] }
  | { readonly type: 'failed'; readonly id: number; readonly error: ErrorRecord }
  | { readonly type: 'fatal'; readonly error: ErrorRecord };

/** What of that is for the page itself: it hands on what is to be written without looking at it. */
export type ToPage = Exclude<FromHost, { type: 'write' }>;
