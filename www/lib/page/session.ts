/// <reference lib="esnext.disposable" preserve="true" />
// A conversation with a model.

import type { Connection } from './engine-client.js';
import { abortError, GemmaError } from '../shared/errors.js';
import type { ChatTemplate, GenerateOptions, GenerateResult, Message } from '../types/generate.js';
import { type Generation, type Running, startGeneration } from './generation.js';
import { checkFormat, checkMessages, checkText, plainOptions, renderMarked, type TurnFormat } from './validate.js';
import { storeSession, withHistory } from './saved-sessions.js';

/** Options of {@link Gemma.session}. */
export interface SessionOptions {
  /** What the model is told before all else; Gemma 1 and 2 know no such text. */
  readonly system?: string | undefined;
  /** What was said so far: messages in turns, the first by the user; a system message may lead them in place of `system`. */
  readonly history?: readonly Message[] | undefined;
  /** The turn format in place of the model's own. Default: that of `loadGemma`, else the model's. */
  readonly template?: ChatTemplate | undefined;
}

/** Options of {@link Session.send}: those of `generate`, without what a session decides. */
export type SendOptions = Omit<GenerateOptions, 'template' | 'cachePrompt'>;

/** What a session is made of. */
interface Beginning {
  readonly connection: Connection;
  readonly format: TurnFormat;
  /** As the caller wrote it: it is checked when the session is opened. */
  readonly system?: string | undefined;
  readonly history: readonly Message[];
  /** The engine's number of it, where it is open already. */
  readonly opened?: number;
}

/** Makes a session; set by the class itself, whose constructor is nobody else's business. */
export let makeSession: (beginning: Beginning) => Session;

/**
 * A conversation, made by {@link Gemma.session} or {@link Gemma.restore}. What was computed of it is kept, so that only what is new is
 * computed: `usage.cachedTokens` tells. Any number of them may share a model; their requests take turns.
 */
export class Session implements AsyncDisposable {
  static {
    makeSession = (beginning) => new Session(beginning);
  }

  readonly #connection: Connection;
  readonly #format: TurnFormat;
  readonly #gone = new AbortController();
  #history: readonly Message[];
  /** The engine's number of this session, once it is open. */
  #opened: Promise<number> | undefined;
  /** Whether the engine may have taken a turn into its history that failed here. */
  #doubtful = false;
  /** The last call, which the next one waits for: it may have to be taken back. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor({ connection, format, system, history, opened }: Beginning) {
    this.#connection = connection;
    this.#format = format;
    this.#history = system === undefined ? history : [{ role: 'system', content: system }, ...history];
    if (opened !== undefined) this.#opened = Promise.resolve(opened);
  }

  /** What was said so far, the system text first. A message that failed or was aborted is not in it, nor is its answer. */
  get history(): readonly Message[] {
    return this.#history;
  }

  /**
   * Says something and generates the answer. Calls are carried out one after another.
   *
   * @throws As {@link Gemma.generate}; besides, what is wrong with the options of the session, which is opened by its first use. The
   *   history stays as it was then.
   */
  send(text: string, options: SendOptions = {}): Generation {
    return startGeneration(options, (running) => this.#send(text, options, running));
  }

  /** Another conversation that begins as this one, once what was sent before is answered; nothing is computed again. */
  clone(): Promise<Session> {
    return this.#inTurn(async (session) => {
      const opened = await this.#connection.call('sessionClone', { session });
      return new Session({ connection: this.#connection, format: this.#format, history: this.#history, opened });
    });
  }

  /**
   * The conversation with what was computed of it, for {@link Gemma.restore}: as a Blob, once what was sent before is answered.
   *
   * @throws {GemmaError} `disposed`, and as {@link Session.send} where the session was not used before.
   */
  save(): Promise<Blob>;
  /**
   * The same, kept in this origin's private files in place of what had that name.
   *
   * @param to Its name: 1 to 100 bytes of UTF-8, whatever they are.
   * @throws {GemmaError} `storage` or `quota_exceeded` where it can't be kept.
   */
  save(to: { readonly name: string }): Promise<void>;
  async save(to?: { readonly name: string }): Promise<Blob | void> {
    const blob = await this.#inTurn(async (session) => {
      const computed = await this.#connection.call('sessionSave', { session });
      return this.#format.template ? withHistory(computed, this.#history) : computed;
    });
    return to === undefined ? blob : storeSession(to, blob);
  }

  /** Frees its memory. What is under way is aborted; later calls reject with code `disposed`. */
  async dispose(): Promise<void> {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort();
    const session = await this.#opened?.catch(() => undefined);
    // Where the model is gone, so is its session.
    if (session !== undefined) await this.#connection.call('sessionClose', { session }).catch(() => undefined);
  }

  /** As {@link Session.dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #send(text: string, options: SendOptions, running: Running): Promise<GenerateResult> {
    this.#check();
    checkText('text', text);
    const plain = plainOptions(options);
    const signal = AbortSignal.any([running.signal, this.#gone.signal]);
    const listeners = { ...running, signal, onPrefillProgress: options.onPrefillProgress };
    const sent = this.#inTurn(async (session) => {
      const said: Message = { role: 'user', content: text };
      const { template } = this.#format;
      const prompt = template ? { rendered: renderMarked([...this.#history, said], template) } : { say: text };
      try {
        const { result, history } = await this.#connection.call('generate', { prompt, session, options: plain }, listeners);
        this.#history = history ?? [...this.#history, said, { role: 'assistant', content: result.text }];
        return result;
      } catch (error) {
        // At the last token the engine has ended the turn, when a callback throws or the signal is aborted here.
        this.#doubtful = template === undefined;
        throw error;
      }
    });
    return Promise.race([sent, whenAborted(signal)]);
  }

  /** Carries something out with the open session, behind all calls before. */
  #inTurn<T>(action: (session: number) => Promise<T>): Promise<T> {
    const done = this.#last.then(async () => {
      this.#check();
      return action(await this.#open());
    });
    this.#last = done.catch(() => undefined);
    return done;
  }

  #check(): void {
    if (this.#gone.signal.aborted) throw new GemmaError('disposed', 'the session was disposed; make another one');
  }

  #open(): Promise<number> {
    const opened = this.#opened;
    if (opened && !this.#doubtful) return opened;
    this.#doubtful = false;
    this.#opened = opened ? opened.then((session) => this.#rewind(session)) : this.#begin();
    return this.#opened;
  }

  async #begin(): Promise<number> {
    checkFormat(this.#format);
    const messages = checkMessages('history', this.#history);
    if (this.#format.template) return this.#connection.call('sessionOpen', { system: undefined, history: [], rendered: true });
    const [first] = messages;
    const system = first?.role === 'system' ? first.content : undefined;
    const history = system === undefined ? messages : messages.slice(1);
    return this.#connection.call('sessionOpen', { system, history, rendered: false });
  }

  /** Has the engine take back an answer that never came here. */
  async #rewind(session: number): Promise<number> {
    await this.#connection.call('sessionRewind', { session, messages: this.#history.length });
    return session;
  }
}

/** Rejects once the signal is aborted. */
function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(abortError());
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
  });
}
