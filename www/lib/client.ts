// What a page calls: a model and how to get one. The work is done in a worker.

import type { BenchOptions, BenchReport } from './bench.js';
import { Connection } from './connection.js';
import { abortError, GemmaError } from './errors.js';
import type { Calls, PlainOptions, Prompt } from './protocol.js';
import { type ModelSource, prepare } from './sources.js';
import type { GenerateOptions, GenerateResult, Inspection, LoadOptions, LoadProgress, ModelInfo, ModelStats } from './types.js';

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
 * Loads a model, in a worker of its own. What comes from a server is kept for the next time, as it arrives: a load that was ended at any
 * moment, even with its tab, goes on where it was.
 *
 * @param source Address of a `.gguf` file, or one of the other {@link ModelSource}s. `synthetic:gemma-2b:q4_0` (or another
 *   shape and format) stands for random weights in the shape of a real model, made in place: for measuring, not for reading.
 * @returns The model, ready to generate: weights on the GPU, shaders compiled.
 * @throws {GemmaError} `http`, `network`, `bad_reply`, `file_changed` or `checksum_mismatch` by the download; `quota_exceeded` before
 *   it where the file would not fit into what this origin may store; `not_gguf`, `truncated`, `unsupported_architecture`,
 *   `missing_tensor` and others by the file; `no_webgpu`, `limit_too_low` or `out_of_memory` by the device;
 *   `invalid_option` by the call. What a source of the caller's own throws is thrown as it is.
 * @throws {DOMException} `AbortError` once `options.signal` is aborted.
 */
export async function loadGemma(source: ModelSource, options: LoadOptions = {}): Promise<Gemma> {
  const { signal, onProgress, cache, ...plain } = options;
  const { connection, answer } = start('load', source, { cache, plain, signal, onProgress });
  try {
    return createGemma(connection, await answer);
  } catch (error) {
    connection.close(error instanceof Error ? error : new GemmaError('internal', String(error)));
    throw error;
  }
}

/**
 * Looks at a model without loading it: only the header of the file is downloaded (some MB, since the vocabulary is in it).
 *
 * @param source As {@link loadGemma}'s; a stream can't be read a second time.
 * @param options Those that {@link loadGemma} would be called with; they decide the sizes of cache and activations.
 * @returns What the model is, how much GPU memory it would take, and whether this device's adapter can hold it. A model
 *   that does not fit is no error, see `memory.verdict`; without an adapter the plan is for WebGPU's default limits.
 * @throws {GemmaError} As {@link loadGemma}, for what concerns the download, the file and the options.
 * @throws {DOMException} `AbortError` once `options.signal` is aborted.
 */
export async function inspect(source: ModelSource, options: LoadOptions = {}): Promise<Inspection> {
  const { signal, onProgress: _, cache, ...plain } = options;
  const { connection, answer } = start('inspect', source, { cache, plain, signal });
  try {
    return await answer;
  } finally {
    connection.close(new GemmaError('disposed', 'the inspection is over'));
  }
}

/** What {@link start} takes of the options of its callers. */
interface StartOptions {
  readonly cache: boolean | undefined;
  readonly plain: object;
  readonly signal: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** Starts a worker on a source. The answer may also be an abort, or what the page's own source threw. */
function start<Name extends 'load' | 'inspect'>(
  type: Name,
  source: ModelSource,
  { cache, plain, signal, onProgress }: StartOptions,
): { connection: Connection; answer: Promise<Calls[Name]['back']> } {
  if (signal?.aborted) throw abortError();
  checkFlag('cache', cache);
  const { sent, transfer, failed, close } = prepare(source);
  const connection = new Connection();
  // Ending the worker is quicker than asking it, and a model that is not loaded yet has nothing worth keeping.
  const abort = (): void => connection.close(abortError());
  signal?.addEventListener('abort', abort, { once: true });
  const send = { source: sent, cache: cache ?? true, options: plain as PlainOptions } as Calls[Name]['send'];
  const called = connection.call(type, send, { onProgress }, transfer);
  const answer = (failed ? Promise.race([called, failed]) : called).finally(() => {
    signal?.removeEventListener('abort', abort);
    close();
  });
  return { connection, answer };
}

function checkFlag(option: string, found: unknown): void {
  if (found === undefined || typeof found === 'boolean') return;
  throw new GemmaError('invalid_option', `option "${option}" is ${JSON.stringify(found)}, expected true or false`, {
    option,
    found: JSON.stringify(found),
    expected: 'true or false',
  });
}
