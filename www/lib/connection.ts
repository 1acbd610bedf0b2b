// The page's end of the worker: sends it calls and turns its answers into promises and callbacks.

import type { BenchProgress } from './bench.js';
import { abortError, GemmaError, toError } from './errors.js';
import type { CallMessage, CallName, Calls, FromWorker, ToWorker } from './protocol.js';
import type { LoadProgress, TokenPiece } from './types.js';
import type { FromWriter, ToWriter } from './writer.js';

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
export class Connection {
  readonly #worker: Worker;
  #writer: Worker | undefined;
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

  call<Name extends CallName>(
    type: Name,
    send: Calls[Name]['send'],
    listeners: Listeners = {},
    transfer: readonly Transferable[] = [],
  ): Promise<Calls[Name]['back']> {
    const { signal, onProgress, onToken, onStep } = listeners;
    if (this.#closed) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(abortError());
    const id = this.#nextId++;
    const abort = (): void => this.#post({ type: 'abort', id });
    signal?.addEventListener('abort', abort, { once: true });
    const answer = new Promise<Calls[Name]['back']>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onProgress, onToken, onStep });
      this.#post({ type, id, ...send } as CallMessage, transfer);
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
    this.#writer?.terminate();
    for (const { reject } of this.#pending.values()) reject(reason);
  }

  /** Hands a message on to the worker that writes. Bytes go along uncopied, as they would not through a MessagePort of Firefox. */
  #write(message: ToWriter): void {
    this.#writer ??= this.#startWriter();
    this.#writer.postMessage(message, 'bytes' in message && typeof message.bytes === 'object' ? [message.bytes.buffer] : []);
  }

  #startWriter(): Worker {
    const writer = new Worker(new URL('./writer.js', import.meta.url), { type: 'module', name: 'gemma-web writer' });
    writer.onmessage = ({ data }: MessageEvent<FromWriter>) => {
      this.#post({ type: 'written', message: data }, 'value' in data && typeof data.value === 'object' ? [data.value.buffer] : []);
    };
    writer.onerror = (event) => {
      event.preventDefault();
      const why = event.message || 'its script could not be loaded';
      this.close(new GemmaError('internal', `the worker that writes failed: ${why}; check that writer.js is served`));
    };
    return writer;
  }

  #post(message: ToWorker, transfer: readonly Transferable[] = []): void {
    try {
      this.#worker.postMessage(message, [...transfer]);
    } catch (error) {
      // Structured cloning refuses functions and the like; only the caller's options can hold them.
      throw new GemmaError('invalid_option', `an option cannot be sent to the worker: ${String(error)}`);
    }
  }

  #receive(message: FromWorker): void {
    if (message.type === 'fatal') return this.close(toError(message.error));
    if (message.type === 'persist') return askToPersist();
    if (message.type === 'write') return this.#write(message.message);
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

/**
 * Asks the browser not to clear what this origin stores when space gets short; workers can't. Some browsers ask the user, so nobody
 * waits for the answer, and a refusal changes nothing but that.
 */
function askToPersist(): void {
  const manager = globalThis.navigator.storage as StorageManager | undefined;
  void (async () => (await manager?.persisted()) || (await manager?.persist()))().catch(() => undefined);
}
