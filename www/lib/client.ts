// The page's half: starts the worker, sends it calls and turns its answers into promises and callbacks.

import type { BenchOptions, BenchProgress, BenchReport } from './bench.js';
import { abortError, GemmaError, toError } from './errors.js';
import type { CallMessage, CallName, Calls, FromWorker, PlainOptions, Prompt, ToWorker } from './protocol.js';
import type { GenerateOptions, GenerateResult, Inspection, LoadOptions, LoadProgress, ModelInfo, ModelStats, TokenPiece } from './types.js';

/** A call that has not been answered yet. */
interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly onToken?: ((piece: TokenPiece) => void) | undefined;
  readonly onStep?: ((step: BenchProgress) => void) | undefined;
}

/** What the caller of {@link Connection.call} may listen to. */
interface Listeners {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly onToken?: ((piece: TokenPiece) => void) | undefined;
  readonly onStep?: ((step: BenchProgress) => void) | undefined;
}

/** The worker with its unanswered calls. The worker answers them one after another. */
class Connection {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed: Error | undefined;

  constructor() {
    // Bundlers recognise exactly this form and ship the worker as a file of its own.
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'gemma-web' });
    this.#worker.onmessage = (event: MessageEvent<FromWorker>) => this.#receive(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const why = event.message || 'its script could not be loaded';
      this.close(new GemmaError('internal', `the engine's worker failed: ${why}; check that worker.js and the .wasm file are served`));
    };
  }

  call<Name extends CallName>(type: Name, send: Calls[Name]['send'], listeners: Listeners = {}): Promise<Calls[Name]['back']> {
    const { signal, onProgress, onToken, onStep } = listeners;
    if (this.#closed) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(abortError());
    const id = this.#nextId++;
    const abort = (): void => this.#post({ type: 'abort', id });
    signal?.addEventListener('abort', abort, { once: true });
    const answer = new Promise<Calls[Name]['back']>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onProgress, onToken, onStep });
      this.#post({ type, id, ...send } as CallMessage);
    });
    return answer.finally(() => {
      this.#pending.delete(id);
      signal?.removeEventListener('abort', abort);
    });
  }

  /** Ends the worker, and with it all its memory on CPU and GPU, and rejects whatever is unanswered. */
  close(reason: Error): void {
    if (this.#closed) return;
    this.#closed = reason;
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(reason);
  }

  #post(message: ToWorker): void {
    try {
      this.#worker.postMessage(message);
    } catch (error) {
      // Structured cloning refuses functions and the like; only the caller's options can hold them.
      throw new GemmaError('invalid_option', `an option cannot be sent to the worker: ${String(error)}`);
    }
  }

  #receive(message: FromWorker): void {
    if (message.type === 'fatal') return this.close(toError(message.error));
    const call = this.#pending.get(message.id);
    if (!call) return;
    if (message.type === 'done') return call.resolve(message.value as never);
    if (message.type === 'failed') return call.reject(toError(message.error));
    try {
      if (message.type === 'progress') call.onProgress?.(message.progress);
      else if (message.type === 'token') call.onToken?.(message.piece);
      else call.onStep?.(message.step);
    } catch (error) {
      this.#post({ type: 'abort', id: message.id });
      call.reject(error);
    }
  }
}

/** Makes a model; set by the class itself, whose constructor is nobody else's business. */
let createGemma: (connection: Connection, info: ModelInfo) => Gemma;

/** A loaded model, made by {@link loadGemma}. Calls are carried out in the order they were made. */
export class Gemma {
  static {
    createGemma = (connection, info) => new Gemma(connection, info);
  }

  readonly #connection: Connection;
  /** What is known about the model. */
  readonly info: ModelInfo;

  private constructor(connection: Connection, info: ModelInfo) {
    this.#connection = connection;
    this.info = info;
  }

  /**
   * Continues a text.
   *
   * @param prompt Text (a beginning-of-sequence token is put in front where the model wants one, and control tokens
   *   written out in it stay text), or token ids that are taken exactly as they are.
   * @returns The generated text with its tokens, reason of ending, counts and times.
   * @throws {GemmaError} `invalid_option` for a wrong type or range, `context_full` for a prompt that does not fit,
   *   `device_lost` or `out_of_memory` by the GPU, `disposed` after {@link Gemma.dispose}.
   * @throws {DOMException} `AbortError` once `options.signal` is aborted; the model can be used again at once.
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): Promise<GenerateResult> {
    const { signal, onToken, ...plain } = options;
    return this.#connection.call('generate', { prompt, options: plain as PlainOptions }, { signal, onToken });
  }

  /** The ids of a text, without a beginning-of-sequence token; control tokens written out in it stay text. */
  tokenize(text: string): Promise<number[]> {
    return this.#connection.call('tokenize', { text });
  }

  /**
   * The logits after the last of these token ids, one for each entry of the vocabulary.
   * The ids are taken exactly as they are; the cache starts empty.
   */
  logits(ids: readonly number[], options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Float32Array> {
    return this.#connection.call('logits', { ids }, options);
  }

  /** Counters and memory of the engine. */
  stats(): Promise<ModelStats> {
    return this.#connection.call('stats', {});
  }

  /**
   * Measures how fast the model is on this device: checks its results first, then times prompts and generations by published
   * definitions. It takes minutes on a slow device; every other call waits for it.
   *
   * @returns Speeds with their spread, the work and the bytes of a token, the memory speed of the adapter, and where the
   *   time goes: a plain object, made to be kept as JSON.
   * @throws {GemmaError} `inconsistent` where the results are not right, `invalid_option` for a value out of range and for a
   *   model that was loaded with too short a context (option `contextLength`, which says how long it must be).
   * @throws {DOMException} `AbortError` once `options.signal` is aborted; the model can be used again at once.
   */
  bench(options: BenchOptions = {}): Promise<BenchReport> {
    const { signal, onProgress, ...plain } = options;
    return this.#connection.call('bench', { options: plain as PlainOptions }, { signal, onStep: onProgress });
  }

  /** Frees all memory on CPU and GPU at once. Unanswered calls, and later ones, reject with code `disposed`. */
  dispose(): void {
    this.#connection.close(new GemmaError('disposed', 'the model was disposed; load it again'));
  }
}

/**
 * Loads a model from the address of a GGUF file, in a worker of its own.
 *
 * @param source Address of a `.gguf` file; relative ones are resolved against the page. `synthetic:gemma-2b:q4_0` (or another
 *   shape and format) stands for random weights in the shape of a real model, made in place: for measuring, not for reading.
 * @returns The model, ready to generate: weights on the GPU, shaders compiled.
 * @throws {GemmaError} `http` or `network` by the download; `not_gguf`, `truncated`, `unsupported_architecture`,
 *   `missing_tensor` and others by the file; `no_webgpu`, `limit_too_low` or `out_of_memory` by the device;
 *   `invalid_option` by the call.
 * @throws {DOMException} `AbortError` once `options.signal` is aborted; nothing stays behind.
 */
export async function loadGemma(source: string | URL, options: LoadOptions = {}): Promise<Gemma> {
  const { signal, onProgress, ...plain } = options;
  if (signal?.aborted) throw abortError();
  const url = absolute(source);
  const connection = new Connection();
  // Ending the worker is quicker than asking it, and a model that is not loaded yet has nothing worth keeping.
  const abort = (): void => connection.close(abortError());
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const info = await connection.call('load', { url, options: plain as PlainOptions }, { onProgress });
    return createGemma(connection, info);
  } catch (error) {
    connection.close(error instanceof Error ? error : new GemmaError('internal', String(error)));
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * Looks at a model without loading it: only the header of the file is downloaded (some MB, since the vocabulary is in it).
 *
 * @param source Address of a `.gguf` file; relative ones are resolved against the page.
 * @param options Those that {@link loadGemma} would be called with; they decide the sizes of cache and activations.
 * @returns What the model is, how much GPU memory it would take, and whether this device's adapter can hold it. A model
 *   that does not fit is no error, see `memory.verdict`; without an adapter the plan is for WebGPU's default limits.
 * @throws {GemmaError} As {@link loadGemma}, for what concerns the download, the file and the options.
 * @throws {DOMException} `AbortError` once `options.signal` is aborted.
 */
export async function inspect(source: string | URL, options: LoadOptions = {}): Promise<Inspection> {
  const { signal, onProgress: _, ...plain } = options;
  const url = absolute(source);
  const connection = new Connection();
  try {
    return await connection.call('inspect', { url, options: plain as PlainOptions }, { signal });
  } finally {
    connection.close(new GemmaError('disposed', 'the inspection is over'));
  }
}

function absolute(source: string | URL): string {
  try {
    // The worker's own address is the library's, so relative addresses must be resolved here.
    return new URL(source, globalThis.document?.baseURI ?? globalThis.location?.href).href;
  } catch {
    throw new GemmaError('invalid_option', `option "source" is ${JSON.stringify(String(source))}, expected the address of a .gguf file`, {
      option: 'source',
      found: String(source),
      expected: 'the address of a .gguf file',
    });
  }
}
