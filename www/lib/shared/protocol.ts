// Messages between the page and the engine, which runs in a worker or inline: in the page's own thread.

import type { ErrorRecord } from './errors.js';
import type { FromWriter, ToWriter } from './writer-protocol.js';
import type { BenchProgress, BenchReport } from '../types/bench.js';
import type { CacheEntry, CacheReport } from '../types/cache.js';
import type { GenerateResult, Message, PrefillProgress, Score, TokenPiece } from '../types/generate.js';
import type { DeviceLoss, GpuDeviceLike, GpuLike, LoadProgress } from '../types/load.js';
import type { GpuMemory, Inspection, ModelInfo, ModelStats } from '../types/model.js';

/** The GPU or device of an engine that runs inline. */
export interface InlineTarget {
  /** A GPU in place of `navigator.gpu`. */
  readonly gpu?: GpuLike | undefined;
  /** A device in place of one of the engine's own. */
  readonly device?: GpuDeviceLike | undefined;
}

/** A file as the engine reads it: fewer bytes than asked for mark its end. */
export interface ReadableFile {
  readonly size: number | null;
  readonly name: string;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A file on a server as it crosses to the engine: the address absolute, the headers as pairs. */
export interface SentFile {
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly token?: string | undefined;
  readonly sha256?: string | undefined;
}

/** A model source as it crosses to the engine. */
export type SentSource =
  | { readonly kind: 'files'; readonly files: readonly SentFile[] }
  | { readonly kind: 'blobs'; readonly blobs: readonly Blob[] }
  /** Only for an engine that runs inline: functions cannot be sent. */
  | { readonly kind: 'readables'; readonly readables: readonly ReadableFile[] }
  /** The page serves reads on the port. The size of a stream is null. */
  | { readonly kind: 'port'; readonly port: MessagePort; readonly size: number | null; readonly name: string };

/** Whether a source is a stream, which can be read only once. */
export const isStream = (source: SentSource): boolean => source.kind === 'port' && source.size === null;

/** A read of a source's port. The answer is the bytes, fewer at the end of a stream, or the text of an error. */
export interface PortRead {
  readonly offset: number;
  readonly length: number;
}

/** Options as the caller wrote them, without callbacks and signals. The engine checks them. */
export type PlainOptions = Readonly<Record<string, unknown>>;

/** A prompt as the engine takes it. */
export type SentPrompt =
  | { readonly text: string }
  | { readonly ids: readonly number[] }
  | { readonly messages: readonly Message[] }
  /** A conversation that the page's own template rendered. */
  | { readonly rendered: string }
  /** The user's next message in a session. */
  | { readonly say: string };

/** The beginning of a session. */
export interface SentSession {
  readonly system: string | undefined;
  readonly history: readonly Message[];
  /** Whether the page renders its prompts and keeps its history. */
  readonly rendered: boolean;
}

/** Source and options of a load or an inspection. */
export interface SentLoad {
  readonly source: SentSource;
  readonly cache: boolean;
  readonly options: PlainOptions;
}

/** An empty message. */
type None = Record<never, never>;

/** The calls that the engine answers, by name: the arguments sent and the value that comes back. */
export interface Calls {
  /** `idleTimeout`: milliseconds without a call after which the model sleeps. */
  load: { send: SentLoad & { readonly idleTimeout: number | undefined }; back: ModelInfo };
  inspect: { send: SentLoad; back: Inspection };
  generate: {
    send: { readonly prompt: SentPrompt; readonly session: number | undefined; readonly options: PlainOptions };
    /** `history`: the messages so far, if the prompt was a session's `say`. */
    back: { readonly result: GenerateResult; readonly history: Message[] | undefined };
  };
  sessionOpen: { send: SentSession; back: number };
  sessionClone: { send: { readonly session: number }; back: number };
  sessionClose: { send: { readonly session: number }; back: undefined };
  /** `messages`: how many messages of the history stay. */
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

/** One call, with the id that its answers carry. */
export type CallMessage = { [Name in CallName]: { readonly type: Name; readonly id: number } & Calls[Name]['send'] }[CallName];

/** A message to the engine. `stop` ends a generation gently; `fromWriter` relays an answer of the OPFS writer. */
export type ToEngine =
  | CallMessage
  | { readonly type: 'abort'; readonly id: number }
  | { readonly type: 'stop'; readonly id: number }
  | { readonly type: 'fromWriter'; readonly message: FromWriter };

/** An event of a call that is not answered yet. */
export type CallEvent =
  | { readonly type: 'progress'; readonly progress: LoadProgress }
  | { readonly type: 'prefill'; readonly progress: PrefillProgress }
  | { readonly type: 'token'; readonly piece: TokenPiece }
  | { readonly type: 'step'; readonly step: BenchProgress }
  | { readonly type: 'lost'; readonly loss: DeviceLoss };

/**
 * A task that only the page can do. `persist`: ask the browser not to clear this origin's storage, since the engine is about to store
 * something. `toWriter`: relay a command to the OPFS writer.
 */
export type PageTask = { readonly type: 'persist' } | { readonly type: 'toWriter'; readonly message: ToWriter };

/** A message that a call sends before its answer. */
export type EngineMessage = CallEvent | PageTask;

/** A message from the engine. `fatal` ends every call: the engine can no longer be used. */
export type FromEngine =
  | PageTask
  | (CallEvent & { readonly id: number })
  | { readonly type: 'done'; readonly id: number; readonly value: Calls[CallName]['back'] }
  | { readonly type: 'failed'; readonly id: number; readonly error: ErrorRecord }
  | { readonly type: 'fatal'; readonly error: ErrorRecord };

/** A message for the page itself: all but those that it relays to the OPFS writer unread. */
export type ToPage = Exclude<FromEngine, { type: 'toWriter' }>;
