/// <reference lib="esnext.disposable" preserve="true" />
// A conversation with a model.

import { abortError, GemmaError } from '../shared/errors.js';
import type { ChatTemplate, GenerateOptions, GenerateResult, Message } from '../types/generate.js';
import type { EngineClient } from './engine-client.js';
import { type Generation, type GenerationContext, startGeneration } from './generation.js';
import { appendHistory, saveSession } from './saved-sessions.js';
import { checkFormat, checkMessages, checkText, plainOptions, renderWithMarks, type TurnFormat } from './validate.js';

/** Options of {@link Gemma.session}. */
export interface SessionOptions {
  /** System text, which the model reads first; Gemma 1 and 2 know none. */
  readonly system?: string | undefined;
  /** Messages so far, in turns, the first by the user; a system message may lead them in place of `system`. */
  readonly history?: readonly Message[] | undefined;
  /** The turn format in place of the model's own. Default: that of `loadGemma`, else the model's. */
  readonly template?: ChatTemplate | undefined;
}

/** Options of {@link Session.send}: those of `generate` without the ones that a session decides. */
export type SendOptions = Omit<GenerateOptions, 'template' | 'cachePrompt'>;

/** Constituents of a session. */
interface SessionInit {
  readonly client: EngineClient;
  readonly format: TurnFormat;
  /** The system text as the caller wrote it; it is checked when the session is opened. */
  readonly system?: string | undefined;
  readonly history: readonly Message[];
  /** The engine's number of the session, if it is open already. */
  readonly opened?: number;
}

/** Constructor of sessions, for this package only; the class itself sets it. */
export let makeSession: (init: SessionInit) => Session;

/**
 * A conversation; {@link Gemma.session} and {@link Gemma.restore} return one. Its key/value cache is kept, so that only new tokens are computed
 * (`usage.cachedTokens` counts the others). Any number of sessions may share a model; their requests take turns.
 */
export class Session implements AsyncDisposable {
  static {
    makeSession = (init) => new Session(init);
  }

  readonly #client: EngineClient;
  readonly #format: TurnFormat;
  readonly #disposed = new AbortController();
  #history: readonly Message[];
  /** The engine's number of this session, once it is open. */
  #opened: Promise<number> | undefined;
  /** Whether the engine's history may hold a turn that failed here. */
  #needsRewind = false;
  /** The last call. The next one waits for it, since it may have to be taken back. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor({ client, format, system, history, opened }: SessionInit) {
    this.#client = client;
    this.#format = format;
    this.#history = system === undefined ? history : [{ role: 'system', content: system }, ...history];
    if (opened !== undefined) this.#opened = Promise.resolve(opened);
  }

  /** Messages so far, the system text first. A message whose answer failed or was aborted is not among them. */
  get history(): readonly Message[] {
    return this.#history;
  }

  /**
   * Sends a message and generates the answer. Calls run one after another.
   *
   * @throws As {@link Gemma.generate}, and for wrong options of the session, which its first use opens. The history then stays as it was.
   */
  send(text: string, options: SendOptions = {}): Generation {
    return startGeneration(options, (context) => this.#send(text, options, context));
  }

  /** Starts another conversation with the same history, once all earlier messages are answered; nothing is computed again. */
  clone(): Promise<Session> {
    return this.#enqueue(async (session) => {
      const opened = await this.#client.call('sessionClone', { session });
      return new Session({ client: this.#client, format: this.#format, history: this.#history, opened });
    });
  }

  /**
   * Saves the conversation with its key/value cache for {@link Gemma.restore}, as a Blob, once all earlier messages are answered.
   *
   * @throws {GemmaError} `disposed`, and as {@link Session.send} if the session was not used before.
   */
  save(): Promise<Blob>;
  /**
   * Saves the conversation in this origin's private file system, in place of another session of that name.
   *
   * @param to Its name: any text of 1 to 100 bytes in UTF-8.
   * @throws {GemmaError} `storage` or `quota_exceeded` if it cannot be saved.
   */
  save(to: { readonly name: string }): Promise<void>;
  async save(to?: { readonly name: string }): Promise<Blob | void> {
    const blob = await this.#enqueue(async (session) => {
      const computed = await this.#client.call('sessionSave', { session });
      return this.#format.template ? appendHistory(computed, this.#history) : computed;
    });
    return to === undefined ? blob : saveSession(to, blob);
  }

  /** Frees the session's memory. Calls under way are aborted; later ones reject with code `disposed`. */
  async dispose(): Promise<void> {
    if (this.#disposed.signal.aborted) return;
    this.#disposed.abort();
    const session = await this.#opened?.catch(() => undefined);
    // If the model is disposed, so is its session.
    if (session !== undefined) await this.#client.call('sessionClose', { session }).catch(() => undefined);
  }

  /** The same as {@link Session.dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #send(text: string, options: SendOptions, context: GenerationContext): Promise<GenerateResult> {
    this.#checkDisposed();
    checkText('text', text);
    const plain = plainOptions(options);
    const signal = AbortSignal.any([context.signal, this.#disposed.signal]);
    const listeners = { ...context, signal, onPrefillProgress: options.onPrefillProgress };
    const sent = this.#enqueue(async (session) => {
      const said: Message = { role: 'user', content: text };
      const { template } = this.#format;
      const prompt = template ? { rendered: renderWithMarks([...this.#history, said], template) } : { say: text };
      try {
        const { result, history } = await this.#client.call('generate', { prompt, session, options: plain }, listeners);
        this.#history = history ?? [...this.#history, said, { role: 'assistant', content: result.text }];
        return result;
      } catch (error) {
        // If a callback throws or the signal is aborted at the last token, the engine has already ended the turn.
        this.#needsRewind = template === undefined;
        throw error;
      }
    });
    return Promise.race([sent, whenAborted(signal)]);
  }

  /** Runs an action with the open session, after all earlier calls. */
  #enqueue<T>(action: (session: number) => Promise<T>): Promise<T> {
    const done = this.#last.then(async () => {
      this.#checkDisposed();
      return action(await this.#open());
    });
    this.#last = done.catch(() => undefined);
    return done;
  }

  #checkDisposed(): void {
    if (this.#disposed.signal.aborted) throw new GemmaError('disposed', 'the session was disposed; make another one');
  }

  #open(): Promise<number> {
    const opened = this.#opened;
    if (opened && !this.#needsRewind) return opened;
    this.#needsRewind = false;
    this.#opened = opened ? opened.then((session) => this.#rewind(session)) : this.#openInEngine();
    return this.#opened;
  }

  async #openInEngine(): Promise<number> {
    checkFormat(this.#format);
    const messages = checkMessages('history', this.#history);
    if (this.#format.template) return this.#client.call('sessionOpen', { system: undefined, history: [], rendered: true });
    const [first] = messages;
    const system = first?.role === 'system' ? first.content : undefined;
    const history = system === undefined ? messages : messages.slice(1);
    return this.#client.call('sessionOpen', { system, history, rendered: false });
  }

  /** Takes back an answer in the engine that never arrived here. */
  async #rewind(session: number): Promise<number> {
    await this.#client.call('sessionRewind', { session, messages: this.#history.length });
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
