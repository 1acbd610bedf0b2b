/// <reference lib="esnext.disposable" preserve="true" />
// What a page calls: a model and how to get one. The work is done in a worker, or where the page wants it.

import type { BenchOptions, BenchReport } from './bench.js';
import type { Connection } from './connection.js';
import { GemmaError } from './errors.js';
import type { ChatTemplate, GenerateOptions, Message, Prompt, Score } from './generate.js';
import { type Generation, startGeneration } from './generation.js';
import type { PlainOptions } from './protocol.js';
import {
  checkFormat,
  checkFunction,
  checkMessages,
  checkSignal,
  checkText,
  invalidOption,
  plainOptions,
  rendered,
  toSentPrompt,
} from './requests.js';
import { openSaved, splitHistory } from './saved.js';
import { makeSession, type Session, type SessionOptions } from './session.js';
import type { GpuMemory, ModelInfo, ModelStats } from './types.js';

/** A signal to stop a call by. */
interface Stoppable {
  /** Stops the call; its promise then rejects with an `AbortError` DOMException. */
  readonly signal?: AbortSignal | undefined;
}

/** Makes a model; set by the class itself, whose constructor is nobody else's business. */
export let createGemma: (connection: Connection, info: ModelInfo, template: ChatTemplate | undefined) => Gemma;

/**
 * A loaded model, made by {@link loadGemma}. It carries out one call at a time: sessions, and all calls without a session together, take
 * turns, each in the order its calls were made. A call that waits can be aborted at once.
 */
export class Gemma implements AsyncDisposable {
  static {
    createGemma = (connection, info, template) => new Gemma(connection, info, template);
  }

  readonly #connection: Connection;
  readonly #template: ChatTemplate | undefined;
  /** What is known about the model. */
  readonly info: ModelInfo;

  private constructor(connection: Connection, info: ModelInfo, template: ChatTemplate | undefined) {
    this.#connection = connection;
    this.#template = template;
    this.info = info;
  }

  /**
   * Continues a text, or answers a conversation.
   *
   * @param prompt Text, token ids or messages: see {@link Prompt}.
   * @returns What can be awaited for the text with its tokens, reason of ending, counts and times, and iterated for its pieces.
   * @throws {GemmaError} `invalid_option` for a wrong type or range, `invalid_message` for a conversation that the turn format refuses,
   *   `unsupported` for messages to a model without one, `context_full` for a prompt that does not fit, `device_lost` or `out_of_memory` by
   *   the GPU, `disposed` after {@link Gemma.dispose}.
   * @throws {DOMException} `AbortError` once `options.signal` is aborted; the model can be used again at once.
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    return startGeneration(options, async (running) => {
      const plain = plainOptions(options);
      const send = { prompt: this.#sent(prompt, options.template), session: undefined, options: plain };
      const listeners = { ...running, onPrefillProgress: options.onPrefillProgress };
      return (await this.#connection.call('generate', send, listeners)).result;
    });
  }

  /** A conversation. Nothing happens before it is first used, and what is wrong with the options is said then. */
  session(options: SessionOptions = {}): Session {
    const { system, history = [], template } = options;
    return makeSession({ connection: this.#connection, format: this.#format(template), system, history });
  }

  /**
   * A conversation that {@link Session.save} gave, with what was computed of it: nothing of it is computed again.
   *
   * @param from The Blob, or the name it was saved under.
   * @param options The `template` of a session that had one; a function can't be saved.
   * @throws {GemmaError} `session_mismatch` where it is another model's, or was saved with other options of {@link loadGemma}; `malformed`
   *   where it is damaged; `invalid_option` where there is none of that name; `out_of_memory`, `disposed`.
   */
  async restore(
    from: Blob | { readonly name: string },
    options: { readonly template?: ChatTemplate | undefined } = {},
  ): Promise<Session> {
    if (typeof from !== 'object' || from === null) throw invalidOption('from', from, 'a Blob that save() gave, or { name }');
    const { computed, history } = await splitHistory(from instanceof Blob ? from : await openSaved(from));
    const format = this.#format(options.template);
    if (history && !format.template) throw invalidOption('template', undefined, 'the template that the session was made with');
    const back = await this.#connection.call('sessionRestore', { blob: computed });
    const own = history ? format : { chat: true, template: undefined };
    return makeSession({ connection: this.#connection, format: own, history: history ?? back.history, opened: back.session });
  }

  /** Tokens of a prompt, as `usage.promptTokens` would count them: beginning-of-sequence and turn markers included. */
  async countTokens(prompt: Prompt, options: { readonly template?: ChatTemplate | undefined } = {}): Promise<number> {
    return this.#connection.call('countTokens', { prompt: this.#sent(prompt, options.template) });
  }

  /** The ids of a text, without a beginning-of-sequence token; control tokens written out in it stay text. */
  async tokenize(text: string): Promise<number[]> {
    checkText('text', text);
    return this.#connection.call('tokenize', { text });
  }

  /** The text of token ids; control tokens are nothing in it, and bytes that make no character U+FFFD. */
  async detokenize(ids: readonly number[]): Promise<string> {
    return this.#connection.call('detokenize', { ids: Array.from(ids) });
  }

  /** A conversation in the turn format, as text for people to read: given as a prompt, its turn markers would stay text. */
  async renderChat(messages: readonly Message[], options: { readonly template?: ChatTemplate | undefined } = {}): Promise<string> {
    const format = this.#format(options.template);
    const checked = checkMessages('messages', messages);
    checkFormat(format);
    return format.template ? rendered(checked, format.template) : this.#connection.call('renderChat', { messages: checked });
  }

  /**
   * A vector for a text: the mean over all positions, beginning-of-sequence included, of what the model computes before its last step (the
   * final hidden states, after the output norm), not normalised. Gemma was not trained for this; it is a plain feature, not an embedding
   * model's.
   *
   * @returns As many numbers as the model is wide, `info.config.dModel`.
   */
  async embed(text: string, options: Stoppable = {}): Promise<Float32Array> {
    checkText('text', text);
    return this.#connection.call('embed', { text }, stoppable(options));
  }

  /** How probable the model finds a text, token by token. */
  async score(text: string, options: Stoppable = {}): Promise<Score> {
    checkText('text', text);
    return this.#connection.call('score', { text }, stoppable(options));
  }

  /**
   * The logits after the last of these token ids, one for each entry of the vocabulary.
   * The ids are taken exactly as they are; the cache starts empty.
   */
  async logits(ids: readonly number[], options: Stoppable = {}): Promise<Float32Array> {
    return this.#connection.call('logits', { ids }, stoppable(options));
  }

  /**
   * Frees all GPU memory, once what was asked before is done. The next call that needs it brings the model back by itself, from the cache
   * or the source; sessions go on, what was computed of them is computed again.
   *
   * @throws {GemmaError} `unsupported` where the source was a stream, which can't be read again; `disposed`.
   */
  async sleep(): Promise<void> {
    await this.#connection.call('sleep', {});
  }

  /** The GPU memory that the model holds now: none while it sleeps. */
  memory(): Promise<GpuMemory> {
    return this.#connection.call('memory', {});
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
  async bench(options: BenchOptions = {}): Promise<BenchReport> {
    const { signal, onProgress, ...plain } = options;
    checkFunction('onProgress', onProgress);
    return this.#connection.call('bench', { options: plain as PlainOptions }, { ...stoppable({ signal }), onStep: onProgress });
  }

  /** Frees all memory on CPU and GPU at once. Unanswered calls, and later ones, reject with code `disposed`. */
  dispose(): void {
    this.#connection.close(new GemmaError('disposed', 'the model was disposed; load it again'));
  }

  /** As {@link Gemma.dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
    return Promise.resolve();
  }

  #format(template: ChatTemplate | undefined): { chat: boolean; template: ChatTemplate | undefined } {
    checkFunction('template', template);
    return { chat: this.info.chat, template: template ?? this.#template };
  }

  #sent(prompt: Prompt, template: ChatTemplate | undefined): ReturnType<typeof toSentPrompt> {
    return toSentPrompt(prompt, this.#format(template));
  }
}

function stoppable({ signal }: Stoppable): Stoppable {
  checkSignal(signal);
  return { signal };
}
