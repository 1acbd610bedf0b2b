// Sessions of the Prompt API, each over a session of the model.

import type { Gemma } from '../page/gemma.js';
import { GemmaError } from '../shared/errors.js';
import type { GenerateResult, Message } from '../types/generate.js';
import type { Generation } from '../page/generation.js';
import type { Session } from '../page/session.js';
import { checkPromptOptions, inTurns, notSupported, readInput, type Sampling, tokensOf } from './language-model-input.js';
import type { LanguageModelPrompt, LanguageModelPromptOptions, LanguageModelSession } from './language-model-types.js';

/** State at the beginning of a session. */
export interface SessionState {
  readonly session: Session;
  /** Messages that are not sent to the session yet: the user's next message follows them. */
  readonly ahead: readonly Message[];
  /** Tokens so far. */
  readonly usage: number;
}

interface Abortable {
  readonly signal?: AbortSignal | undefined;
}

/** An answer under way. It wraps the generation, which an async function that returned it would await. */
interface Answer {
  readonly generation: Generation;
  /** Settles once the state of the session is up to date. */
  readonly done: Promise<GenerateResult>;
}

/** The implementation of {@link LanguageModelSession}. */
export class ModelSession extends EventTarget implements LanguageModelSession {
  readonly #model: Gemma;
  readonly #sampling: Sampling;
  readonly #maxTokens: number;
  readonly #destroyed = new AbortController();
  #session: Session;
  #ahead: readonly Message[];
  #usage: number;
  #last: Promise<unknown> = Promise.resolve();
  oncontextoverflow: ((event: Event) => unknown) | null = null;
  onquotaoverflow: ((event: Event) => unknown) | null = null;

  constructor(model: Gemma, sampling: Sampling, maxTokens: number, { session, ahead, usage }: SessionState) {
    super();
    this.#model = model;
    this.#sampling = sampling;
    this.#maxTokens = maxTokens;
    this.#session = session;
    this.#ahead = ahead;
    this.#usage = usage;
  }

  get contextUsage(): number {
    return this.#usage;
  }
  get inputUsage(): number {
    return this.#usage;
  }
  get contextWindow(): number {
    return this.#model.info.contextLength;
  }
  get inputQuota(): number {
    return this.contextWindow;
  }
  get topK(): number {
    return this.#sampling.topK;
  }
  get temperature(): number {
    return this.#sampling.temperature;
  }
  get samplingMode(): Sampling['samplingMode'] {
    return this.#sampling.samplingMode;
  }

  async prompt(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): Promise<string> {
    const { done } = await this.#answer(input, options);
    return (await done).text;
  }

  promptStreaming(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): ReadableStream<string> {
    const cancelled = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, cancelled.signal]) : cancelled.signal;
    // The answer starts at once, even if nothing reads the stream.
    const answer = this.#answer(input, { ...options, signal });
    answer.catch(() => undefined);
    let pieces: AsyncIterator<string> | undefined;
    return new ReadableStream<string>({
      async pull(controller) {
        const { generation, done } = await answer;
        pieces ??= generation[Symbol.asyncIterator]();
        const next = await pieces.next().catch(() => undefined);
        if (next && !next.done) return controller.enqueue(next.value);
        // If the pieces ended with an error, this throws that of the Prompt API.
        await done;
        controller.close();
      },
      cancel: () => cancelled.abort(),
    });
  }

  async append(input: LanguageModelPrompt, { signal }: Abortable = {}): Promise<undefined> {
    const stop = this.#anyOf(signal);
    const release = await this.#turn(stop);
    try {
      const messages = readInput(input, this.#usage > 0);
      const requested = this.#usage + (await raced(this.#tokens(messages), stop));
      if (requested > this.contextWindow) throw quotaExceeded(requested, this.contextWindow);
      this.#ahead = [...this.#ahead, ...messages];
      this.#usage = requested;
    } finally {
      release();
    }
  }

  async measureContextUsage(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): Promise<number> {
    checkPromptOptions(options);
    return raced(this.#tokens(readInput(input, false)), this.#anyOf(options.signal));
  }

  measureInputUsage(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): Promise<number> {
    return this.measureContextUsage(input, options);
  }

  async clone({ signal }: Abortable = {}): Promise<ModelSession> {
    const stop = this.#anyOf(signal);
    const release = await this.#turn(stop);
    try {
      const copied = this.#session.clone();
      const session = await raced(copied, stop).catch((error: unknown) => {
        void copied.then((late) => late.dispose()).catch(() => undefined);
        throw error;
      });
      return new ModelSession(this.#model, this.#sampling, this.#maxTokens, { session, ahead: this.#ahead, usage: this.#usage });
    } finally {
      release();
    }
  }

  destroy(): undefined {
    this.#destroyed.abort(new DOMException('The session was destroyed.', 'AbortError'));
    void this.#session.dispose().catch(() => undefined);
  }

  /** Starts an answer once the earlier ones are done. */
  async #answer(input: LanguageModelPrompt, options: LanguageModelPromptOptions): Promise<Answer> {
    checkPromptOptions(options);
    const signal = this.#anyOf(options.signal);
    const release = await this.#turn(signal);
    try {
      const said = inTurns([...this.#ahead, ...readInput(input, this.#usage > 0)]);
      if (said.at(-1)?.role !== 'user') throw notSupported('the last message is not the user\'s: the model answers, it does not go on');
      const { session, text } = this.#sessionFor(said);
      const generation = session.send(text, {
        temperature: this.temperature,
        topK: this.topK,
        maxTokens: this.#maxTokens,
        overflow: 'slide',
        signal,
      });
      const done = generation.then(
        (result) => this.#answered(session, result),
        (error: unknown) => this.#failed(session, error, signal),
      );
      // The promise may be awaited by nothing: the next call waits for `release`, and a stream for the pieces.
      done.catch(() => undefined).finally(release);
      return { generation, done };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** The session to continue with: a new one, with the old history and the new messages, if there is more than the user's message. */
  #sessionFor(said: readonly Message[]): { session: Session; text: string } {
    const [only, more] = said;
    if (only && !more) return { session: this.#session, text: only.content };
    const all = inTurns([...this.#session.history, ...said]);
    return { session: this.#model.session({ history: all.slice(0, -1) }), text: all.at(-1)?.content ?? '' };
  }

  #answered(session: Session, result: GenerateResult): GenerateResult {
    if (session !== this.#session) {
      void this.#session.dispose().catch(() => undefined);
      this.#session = session;
    }
    this.#ahead = [];
    const { promptTokens, completionTokens, droppedTokens } = result.usage;
    this.#usage = Math.min(promptTokens + completionTokens, this.contextWindow);
    if (droppedTokens > 0) {
      this.#notify('contextoverflow', this.oncontextoverflow);
      this.#notify('quotaoverflow', this.onquotaoverflow);
    }
    return result;
  }

  #failed(session: Session, error: unknown, signal: AbortSignal): never {
    if (session !== this.#session) void session.dispose().catch(() => undefined);
    if (signal.aborted) throw signal.reason;
    if (!(error instanceof GemmaError) || error.code !== 'context_full') throw error;
    throw quotaExceeded(Number(error.details['needs']), this.contextWindow);
  }

  #notify(type: string, handler: ((event: Event) => unknown) | null): void {
    const event = new Event(type);
    handler?.call(this, event);
    this.dispatchEvent(event);
  }

  #tokens(messages: readonly Message[]): Promise<number> {
    return tokensOf(messages, (text) => this.#model.tokenize(text));
  }

  #anyOf(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#destroyed.signal]) : this.#destroyed.signal;
  }

  /** Waits for the earlier calls. It resolves to the function that lets the next call begin. */
  async #turn(signal: AbortSignal): Promise<() => void> {
    const before = this.#last;
    let release = (): void => undefined;
    const mine = new Promise<void>((done) => (release = done));
    this.#last = before.then(() => mine);
    try {
      await raced(before, signal);
      signal.throwIfAborted();
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }
}

/** The promise's value, or its rejection with the signal's reason if that is aborted first. */
export async function raced<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** The platform's own `QuotaExceededError`, or in older browsers a DOMException with the same properties. */
export function quotaExceeded(requested: number, quota: number): DOMException {
  const message =
    `the input needs ${requested} tokens, and the context has ${quota}: ` +
    'shorten it, or load the model with a longer `contextLength`';
  const { QuotaExceededError: Native } = globalThis as {
    QuotaExceededError?: new (message: string, options: { requested: number; quota: number }) => DOMException;
  };
  if (Native) return new Native(message, { requested, quota });
  return Object.assign(new DOMException(message, 'QuotaExceededError'), { requested, quota });
}
