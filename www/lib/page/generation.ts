// A generation under way: one object to await, to iterate and to stop.

import type { GenerateOptions, GenerateResult, TokenPiece } from '../types/generate.js';
import { isSignal } from './validate.js';

/** Signals and callback of a generation while it runs. */
export interface GenerationContext {
  /** Aborted with the caller's signal, and when a loop over the text is left. */
  readonly signal: AbortSignal;
  /** Aborted by {@link Generation.stop}. */
  readonly stopSignal: AbortSignal;
  readonly onToken: (piece: TokenPiece) => void;
}

/** Constructor of generations, for this package only; the class itself sets it. */
export let startGeneration: (options: GenerateOptions, run: (context: GenerationContext) => Promise<GenerateResult>) => Generation;

/**
 * A generation. It starts at once and runs once, however this object is used:
 *
 * - `await` it for the {@link GenerateResult};
 * - iterate it (`for await`) for the pieces of the text as they arrive. A loop sees all pieces, whenever it begins; it throws the reason with
 *   which the promise rejects; leaving it early aborts the generation;
 * - use {@link Generation.stream} or {@link Generation.tokens} for the same in other forms.
 *
 * A failure rejects the promise and ends the loops. If nothing awaits or iterates, it is no unhandled rejection.
 */
export class Generation implements Promise<GenerateResult>, AsyncIterable<string> {
  static {
    startGeneration = (options, run) => new Generation(options, run);
  }

  readonly [Symbol.toStringTag] = 'Generation';
  readonly #abort = new AbortController();
  readonly #stop = new AbortController();
  readonly #result: Promise<GenerateResult>;
  /** All pieces so far, so that every loop sees all of them. */
  readonly #pieces: TokenPiece[] = [];
  #settled = false;
  #wake: (() => void)[] = [];
  #stream: ReadableStream<string> | undefined;

  private constructor(options: GenerateOptions, run: (context: GenerationContext) => Promise<GenerateResult>) {
    const { onToken } = options;
    // `run` refuses a value that is no signal.
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

  /** Ends the generation gently, at the next token: it resolves with the text so far and finish reason `"cancelled"`. */
  stop(): void {
    this.#stop.abort();
  }

  /** The pieces of the text as a stream, for `pipeThrough` or `new Response(…)`. Cancelling it aborts the generation. */
  get stream(): ReadableStream<string> {
    return (this.#stream ??= this.#makeStream());
  }

  /** The generated tokens with their pieces of the text as they arrive. Leaving the loop early aborts the generation. */
  get tokens(): AsyncIterable<TokenPiece> {
    return { [Symbol.asyncIterator]: () => this.#follow() };
  }

  /** The pieces of the text as they arrive. Together they are the `text` of the result. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    let length = 0;
    for await (const { text } of this.tokens) {
      length += text.length;
      if (text !== '') yield text;
    }
    // Text that was held back: an unfinished character, or the beginning of a stop text that did not follow.
    const rest = (await this.#result).text.slice(length);
    if (rest !== '') yield rest;
  }

  /** The same as for any promise. */
  then<A = GenerateResult, B = never>(
    onFulfilled?: ((result: GenerateResult) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onFulfilled, onRejected);
  }

  /** The same as for any promise. */
  catch<B = never>(onRejected?: ((reason: any) => B | PromiseLike<B>) | null): Promise<GenerateResult | B> {
    return this.#result.catch(onRejected);
  }

  /** The same as for any promise. */
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
      // This does nothing to a generation that has ended.
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
      // No piece is taken before a reader asks for it.
      { highWaterMark: 0 },
    );
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}
