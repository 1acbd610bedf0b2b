// The page's end of the wire: it sends calls to the engine and turns the answers into promises and callbacks.

import { abortError, GemmaError, toError } from '../shared/errors.js';
import type { CallEvent, CallMessage, CallName, Calls, InlineTarget, ToEngine, ToPage } from '../shared/protocol.js';
import { storageManager } from '../shared/storage.js';
import type { BenchProgress } from '../types/bench.js';
import type { PrefillProgress, TokenPiece } from '../types/generate.js';
import type { DeviceLoss, LoadProgress } from '../types/load.js';
import { connectInline, connectWorker, type Transport } from './transport.js';

/** Signals and callbacks of one call. */
interface CallListeners {
  readonly signal?: AbortSignal | undefined;
  readonly stopSignal?: AbortSignal | undefined;
  readonly onPrefillProgress?: ((progress: PrefillProgress) => void) | undefined;
  readonly onToken?: ((piece: TokenPiece) => void) | undefined;
  readonly onStep?: ((step: BenchProgress) => void) | undefined;
}

/** Callbacks for all calls of an engine. */
export interface EngineHooks {
  /** Called for a model that is loaded again, too. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly onDeviceLost?: ((loss: DeviceLoss) => void) | undefined;
  /** Called once the engine is ended. */
  readonly onClose?: (() => void) | undefined;
}

/** A call that has not been answered yet. */
interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
  readonly listeners: CallListeners;
}

/** Client of one engine, with the calls that are not answered yet. */
export class EngineClient {
  readonly #transport: Transport;
  readonly #hooks: EngineHooks;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed: Error | undefined;

  /** Starts an engine in a worker, or inline if there is a target for that. */
  constructor(target?: InlineTarget, hooks: EngineHooks = {}) {
    this.#hooks = hooks;
    const receive = (message: ToPage): void => this.#receive(message);
    const fail = (error: Error): void => this.close(error);
    this.#transport = target ? connectInline(target, receive, fail) : connectWorker(receive, fail);
  }

  /** Sends a call; the promise rejects with an `AbortError` as soon as its signal is aborted. */
  call<Name extends CallName>(
    type: Name,
    send: Calls[Name]['send'],
    listeners: CallListeners = {},
    transfer: readonly Transferable[] = [],
  ): Promise<Calls[Name]['back']> {
    const { signal, stopSignal } = listeners;
    if (this.#closed) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(abortError());
    const id = this.#nextId++;
    const abort = (): void => {
      this.#post({ type: 'abort', id });
      // At once, however long the GPU still takes; only the calls behind this one wait for it.
      this.#reject(id, abortError());
    };
    const stop = (): void => this.#post({ type: 'stop', id });
    signal?.addEventListener('abort', abort, { once: true });
    stopSignal?.addEventListener('abort', stop, { once: true });
    const answer = new Promise<Calls[Name]['back']>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, listeners });
      this.#post({ type, id, ...send } as CallMessage, transfer);
      if (stopSignal?.aborted) stop();
    });
    return answer.finally(() => {
      this.#pending.delete(id);
      signal?.removeEventListener('abort', abort);
      stopSignal?.removeEventListener('abort', stop);
    });
  }

  /** Ends the engine, which frees all its memory on CPU and GPU, and rejects all unanswered calls. */
  close(reason: Error): void {
    if (this.#closed) return;
    this.#closed = reason;
    this.#transport.close();
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#hooks.onClose?.();
  }

  #post(message: ToEngine, transfer: readonly Transferable[] = []): void {
    if (this.#closed) return;
    try {
      this.#transport.post(message, transfer);
    } catch (error) {
      // Structured cloning refuses functions, for example; only the caller's options can hold them.
      throw new GemmaError('invalid_option', `an option cannot be sent to the engine: ${String(error)}`);
    }
  }

  #receive(message: ToPage): void {
    if (message.type === 'fatal') return this.close(toError(message.error));
    if (message.type === 'persist') return askToPersist();
    const call = this.#pending.get(message.id);
    if (!call) return;
    if (message.type === 'done') return call.resolve(message.value as never);
    if (message.type === 'failed') return call.reject(toError(message.error));
    try {
      notify(call.listeners, this.#hooks, message);
    } catch (error) {
      this.#post({ type: 'abort', id: message.id });
      this.#reject(message.id, error);
    }
  }

  /** Ends a call before its answer; its listeners hear nothing more. */
  #reject(id: number, reason: unknown): void {
    this.#pending.get(id)?.reject(reason);
    this.#pending.delete(id);
  }
}

function notify(listeners: CallListeners, hooks: EngineHooks, event: CallEvent): void {
  switch (event.type) {
    case 'progress':
      return hooks.onProgress?.(event.progress);
    case 'lost':
      return hooks.onDeviceLost?.(event.loss);
    case 'prefill':
      return listeners.onPrefillProgress?.(event.progress);
    case 'token':
      return listeners.onToken?.(event.piece);
    case 'step':
      return listeners.onStep?.(event.step);
  }
}

/**
 * Asks the browser not to clear this origin's storage when space runs short; a worker cannot ask. Some browsers ask the user, so nothing waits
 * for the answer, and a refusal changes nothing else.
 */
function askToPersist(): void {
  const manager = storageManager();
  void (async () => (await manager?.persisted?.()) || (await manager?.persist?.()))().catch(() => undefined);
}
