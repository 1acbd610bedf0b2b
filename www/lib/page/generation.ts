// A generation under way: one object to await, to iterate and to stop.

import type { GenerateOptions, GenerateResult, TokenPiece } from '../types/generate.js';
import { isSignal } from './validate.js';

/** What a generation is told and asked while it runs. */
export interface Running {
  /** Aborted by the caller's signal, and where a loop over the text is left. */
  readonly signal: AbortSignal;
  /** Aborted by {@link Generation.stop}. */
  readonly stopSignal: AbortSignal;
  readonly onToken: (piece: TokenPiece) => void;
}

/** Starts a generation; set by the class itself, whose constructor is nobody else's business. */
export let startGeneration: (options: GenerateOptions, run: (running: Running) => Promise<GenerateResult>) => Generation;

/**
 * A generation, which starts at once and runs once, whatever is done with this object:
 *
 * - `await` it for the {@link GenerateResult};
 * - iterate it (`for await`) for the pieces of the text as they come, all of them whenever the loop begins; the loop throws what the promise
 *   rejects with, and leaving it early aborts the generation;
 * - take {@link Generation.stream} or {@link Generation.tokens} for the same in other forms.
 *
 * A failure is told to whoever awaits or iterates; where nobody does it is no unhandled rejection.
 */
export class Generation implements Promise<GenerateResult>, AsyncIterable<string> {
  static {
    startGeneration = (options, run) => new Generation(options, run);
  }

  readonly [Symbol.toStringTag] = 'Generation';
  readonly #abort = new AbortController();
  readonly #stop = new AbortController();
  readonly #result: Promise<GenerateResult>;
  /** All that came, so that every loop sees all of it. */
  readonly #pieces: TokenPiece[] = [];
  #settled = false;
  #wake: (() => void)[] = [];
  #stream: ReadableStream<string> | undefined;

  private constructor(options: GenerateOptions, run: (running: Running) => Promise<GenerateResult>) {
    const { onToken } = options;
    // `run` refuses what is none.
    const signal = isSignal(options.signal) ? options.signal : undefined;
    const follow = (): void => this.#abort.abort(signal?.reason);
    if (signal?.aborted) follow();
    signal?.addEventListener('abort', follow, { once: true });
    const listen = (piece: TokenPiece): void => {
      this.#pieces.push(piece);
      this.#wakeAll();
      onToken?.(piece);
    };
    const started = async (): Promise<GenerateResult> =>
      run({ signal: this.#abort.signal, stopSignal: this.#stop.signal, onToken: listen });
    this.#result = started().finally(() => {
      this.#settled = true;
      signal?.removeEventListener('abort', follow);
      this.#wakeAll();
    });
    this.#result.catch(() => undefined);
  }

  /** Ends the generation gently, at the next token: it resolves with what there is and with finish reason `"cancelled"`. */
  stop(): void {
    this.#stop.abort();
  }

  /** The pieces of the text, as a stream for `pipeThrough` or `new Response(…)`; cancelling it aborts the generation. */
  get stream(): ReadableStream<string> {
    return (this.#stream ??= this.#makeStream());
  }

  /** The generated tokens with their pieces of the text as they come; leaving the loop early aborts the generation. */
  get tokens(): AsyncIterable<TokenPiece> {
    return { [Symbol.asyncIterator]: () => this.#follow() };
  }

  /** The pieces of the text as they come. Together they are `text` of the result. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    let length = 0;
    for await (const { text } of this.tokens) {
      length += text.length;
      if (text !== '') yield text;
    }
    // What was held back: an unfinished character, or the beginning of a stop text that did not come.
    const rest = (await this.#result).text.slice(length);
    if (rest !== '') yield rest;
  }

  /** As a promise's. */
  then<A = GenerateResult, B = never>(
    onFulfilled?: ((result: GenerateResult) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onFulfilled, onRejected);
  }

  /** As a promise's. */
  catch<B = never>(onRejected?: ((reason: any) => B | PromiseLike<B>) | null): Promise<GenerateResult | B> {
    return this.#result.catch(onRejected);
  }

  /** As a promise's. */
  finally(onFinally?: (() => void) | null): Promise<GenerateResult> {
    return this.#result.finally(onFinally);
  }

  async *#follow(): AsyncGenerator<TokenPiece, void, undefined> {
    let next = 0;
    try {
      for (;;) {
        const piece = this.#pieces[next];
        if (piece) {
          next += 1;
          yield piece;
        } else if (this.#settled) {
          await this.#result;
          return;
        } else {
          await new Promise<void>((wake) => this.#wake.push(wake));
        }
      }
    } finally {
      // It does nothing to a generation that has ended.
      this.#abort.abort();
    }
  }

  #makeStream(): ReadableStream<string> {
    const pieces = this[Symbol.asyncIterator]();
    return new ReadableStream<string>(
      {
        pull: async (controller) => {
          const { done, value } = await pieces.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: () => this.#abort.abort(),
      },
      // Nothing is taken before somebody reads.
      { highWaterMark: 0 },
    );
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}
