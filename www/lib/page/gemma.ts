/// <reference lib="esnext.disposable" preserve="true" />
// A loaded model, as the page uses it.

import { GemmaError } from '../shared/errors.js';
import type { PlainOptions } from '../shared/protocol.js';
import type { BenchOptions, BenchReport } from '../types/bench.js';
import type { ChatTemplate, GenerateOptions, Message, Prompt, Score } from '../types/generate.js';
import type { GpuMemory, ModelInfo, ModelStats } from '../types/model.js';
import type { EngineClient } from './engine-client.js';
import { type Generation, startGeneration } from './generation.js';
import { openSavedSession, splitHistory } from './saved-sessions.js';
import { makeSession, type Session, type SessionOptions } from './session.js';
import {
  checkFormat,
  checkFunction,
  checkMessages,
  checkSignal,
  checkText,
  invalidOption,
  plainOptions,
  renderWith,
  toSentPrompt,
} from './validate.js';

/** Options of a call that can be aborted. */
interface Abortable {
  /** Stops the call; its promise then rejects with an `AbortError` DOMException. */
  readonly signal?: AbortSignal | undefined;
}

/** Constructor of models, for this package only; the class itself sets it. */
export let createGemma: (client: EngineClient, info: ModelInfo, template: ChatTemplate | undefined) => Gemma;

/**
 * A loaded model; {@link loadGemma} returns one. It runs one call at a time: the sessions, and all calls outside sessions together, take turns,
 * and each of them keeps the order of its calls. A call that waits can be aborted at once.
 */
export class Gemma implements AsyncDisposable {
  static {
    createGemma = (client, info, template) => new Gemma(client, info, template);
  }

  readonly #client: EngineClient;
  readonly #template: ChatTemplate | undefined;
  /** Properties of the model. */
  readonly info: ModelInfo;

  private constructor(client: EngineClient, info: ModelInfo, template: ChatTemplate | undefined) {
    this.#client = client;
    this.#template = template;
    this.info = info;
  }

  /**
   * Continues a text, or answers a conversation.
   *
   * @param prompt Text, token ids or messages: see {@link Prompt}.
   * @returns An object to await for the text with its tokens, finish reason, counts and times, or to iterate for the pieces of the text.
   * @throws {GemmaError} `invalid_option` for a wrong type or range, `invalid_message` for a conversation that the turn format refuses,
   *   `unsupported` for messages to a model without one, `context_full` for a prompt that does not fit, `device_lost` or `out_of_memory` if
   *   the GPU fails, `disposed` after {@link Gemma.dispose}.
   * @throws {DOMException} `AbortError` once `options.signal` is aborted; the model can be used again at once.
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    return startGeneration(options, async (running) => {
      const plain = plainOptions(options);
      const send = { prompt: this.#sent(prompt, options.template), session: undefined, options: plain };
      const listeners = { ...running, onPrefillProgress: options.onPrefillProgress };
      return (await this.#client.call('generate', send, listeners)).result;
    });
  }

  /** Starts a conversation. Nothing happens before its first use, which also reports wrong options. */
  session(options: SessionOptions = {}): Session {
    const { system, history = [], template } = options;
    return makeSession({ client: this.#client, format: this.#format(template), system, history });
  }

  /**
   * Restores a conversation that {@link Session.save} saved, with its key/value cache: nothing of it is computed again.
   *
   * @param from The Blob, or the name under which the session was saved.
   * @param options The `template` of a session that had one, since a function cannot be saved.
   * @throws {GemmaError} `session_mismatch` if another model saved it, or this one with other options of {@link loadGemma}; `malformed` if it
   *   is damaged; `invalid_option` if there is none of that name; `out_of_memory`, `disposed`.
   */
  async restore(
    from: Blob | { readonly name: string },
    options: { readonly template?: ChatTemplate | undefined } = {},
  ): Promise<Session> {
    if (typeof from !== 'object' || from === null) throw invalidOption('from', from, 'a Blob that save() gave, or { name }');
    const { computed, history } = await splitHistory(from instanceof Blob ? from : await openSavedSession(from));
    const format = this.#format(options.template);
    if (history && !format.template) throw invalidOption('template', undefined, 'the template that the session was made with');
    const back = await this.#client.call('sessionRestore', { blob: computed });
    const own = history ? format : { chat: true, template: undefined };
    return makeSession({ client: this.#client, format: own, history: history ?? back.history, opened: back.session });
  }

  /** Counts the tokens of a prompt as `usage.promptTokens` does, with the beginning-of-sequence token and turn markers. */
  async countTokens(prompt: Prompt, options: { readonly template?: ChatTemplate | undefined } = {}): Promise<number> {
    return this.#client.call('countTokens', { prompt: this.#sent(prompt, options.template) });
  }

  /** Returns the token ids of a text, without a beginning-of-sequence token. Control tokens written out in the text stay text. */
  async tokenize(text: string): Promise<number[]> {
    checkText('text', text);
    return this.#client.call('tokenize', { text });
  }

  /** Returns the text of token ids. Control tokens are left out, and bytes that form no character become U+FFFD. */
  async detokenize(ids: readonly number[]): Promise<string> {
    return this.#client.call('detokenize', { ids: Array.from(ids) });
  }

  /** Renders a conversation in the turn format, for people to read. As a prompt it would not work, since its turn markers would stay text. */
  async renderChat(messages: readonly Message[], options: { readonly template?: ChatTemplate | undefined } = {}): Promise<string> {
    const format = this.#format(options.template);
    const checked = checkMessages('messages', messages);
    checkFormat(format);
    return format.template ? renderWith(checked, format.template) : this.#client.call('renderChat', { messages: checked });
  }

  /**
   * Returns a vector for a text: the mean of the final hidden states (after the output norm) over all positions, with the beginning-of-sequence
   * token, not normalised. Gemma was not trained for this: it is a plain feature vector, not that of an embedding model.
   *
   * @returns `info.config.dModel` numbers.
   */
  async embed(text: string, options: Abortable = {}): Promise<Float32Array> {
    checkText('text', text);
    return this.#client.call('embed', { text }, abortable(options));
  }

  /** Scores a text: how probable the model finds it, token by token. */
  async score(text: string, options: Abortable = {}): Promise<Score> {
    checkText('text', text);
    return this.#client.call('score', { text }, abortable(options));
  }

  /**
   * Returns the logits after the last of these token ids, one for each entry of the vocabulary. The ids are taken exactly as they are; the
   * key/value cache starts empty.
   */
  async logits(ids: readonly number[], options: Abortable = {}): Promise<Float32Array> {
    return this.#client.call('logits', { ids }, abortable(options));
  }

  /**
   * Frees all GPU memory, once the earlier calls are done. The next call that needs the model loads it again by itself, from the cache or the
   * source. Sessions continue; their caches are computed again.
   *
   * @throws {GemmaError} `unsupported` if the source was a stream, which cannot be read again; `disposed`.
   */
  async sleep(): Promise<void> {
    await this.#client.call('sleep', {});
  }

  /** Returns the GPU memory that the model holds now: none while it sleeps. */
  memory(): Promise<GpuMemory> {
    return this.#client.call('memory', {});
  }

  /** Returns counters and memory of the engine. */
  stats(): Promise<ModelStats> {
    return this.#client.call('stats', {});
  }

  /**
   * Measures the speed of the model on this device: checks its results first, then times prompts and generations by published definitions. It
   * takes minutes on a slow device; every other call waits for it.
   *
   * @returns Speeds with their spread, the work and the bytes of a token, the memory bandwidth of the adapter, and the times of kernels: a plain
   *   object that can be kept as JSON.
   * @throws {GemmaError} `inconsistent` if the results are wrong, `invalid_option` for a value out of range and for a model that was loaded
   *   with too short a context (option `contextLength`; the message says how long it must be).
   * @throws {DOMException} `AbortError` once `options.signal` is aborted; the model can be used again at once.
   */
  async bench(options: BenchOptions = {}): Promise<BenchReport> {
    const { signal, onProgress, ...plain } = options;
    checkFunction('onProgress', onProgress);
    return this.#client.call('bench', { options: plain as PlainOptions }, { ...abortable({ signal }), onStep: onProgress });
  }

  /** Frees all memory on CPU and GPU at once. Unanswered and later calls reject with code `disposed`. */
  dispose(): void {
    this.#client.close(new GemmaError('disposed', 'the model was disposed; load it again'));
  }

  /** The same as {@link Gemma.dispose}, for `await using`. */
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

function abortable({ signal }: Abortable): Abortable {
  checkSignal(signal);
  return { signal };
}
