// The page's end: sends calls to the engine's half and turns its answers into promises and callbacks.

import type { BenchProgress } from '../types/bench.js';
import { abortError, GemmaError, toError } from '../shared/errors.js';
import type { PrefillProgress, TokenPiece } from '../types/generate.js';
import { type Link, linkHere, linkWorker, type Setting } from './transport.js';
import type { CallMessage, CallName, Calls, Event, ToHost, ToPage } from '../shared/protocol.js';
import type { DeviceLoss, LoadProgress } from '../types/model.js';

/** What the caller of {@link Connection.call} may listen to. */
interface Listeners {
  readonly signal?: AbortSignal | undefined;
  readonly stopSignal?: AbortSignal | undefined;
  readonly onPrefillProgress?: ((progress: PrefillProgress) => void) | undefined;
  readonly onToken?: ((piece: TokenPiece) => void) | undefined;
  readonly onStep?: ((step: BenchProgress) => void) | undefined;
}

/** What may be heard in any call. */
export interface Hooks {
  /** Of a model that is loaded again, too. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly onDeviceLost?: ((loss: DeviceLoss) => void) | undefined;
  /** Once the engine is ended. */
  readonly onClose?: (() => void) | undefined;
}

/** A call that has not been answered yet. */
interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
  readonly listeners: Listeners;
}

/** The engine's half with its unanswered calls, which it answers in turns. */
export class Connection {
  readonly #link: Link;
  readonly #hooks: Hooks;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed: Error | undefined;

  /** With a worker, or with a setting to run in without one. */
  constructor(setting?: Setting, hooks: Hooks = {}) {
    this.#hooks = hooks;
    const receive = (message: ToPage): void => this.#receive(message);
    const fail = (error: Error): void => this.close(error);
    this.#link = setting ? linkHere(setting, receive, fail) : linkWorker(receive, fail);
  }

  call<Name extends CallName>(
    type: Name,
    send: Calls[Name]['send'],
    listeners: Listeners = {},
    transfer: readonly Transferable[] = [],
  ): Promise<Calls[Name]['back']> {
    const { signal, stopSignal } = listeners;
    if (this.#closed) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(abortError());
    const id = this.#nextId++;
    const abort = (): void => {
      this.#post({ type: 'abort', id });
      // At once, however long the GPU needs for what it was given; the calls behind this one wait for that.
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

  /** Ends the engine's half, and with it all its memory on CPU and GPU, and rejects whatever is unanswered. */
  close(reason: Error): void {
    if (this.#closed) return;
    this.#closed = reason;
    this.#link.close();
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#hooks.onClose?.();
  }

  #post(message: ToHost, transfer: readonly Transferable[] = []): void {
    if (this.#closed) return;
    try {
      this.#link.post(message, transfer);
    } catch (error) {
      // Structured cloning refuses functions and the like; only the caller's options can hold them.
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
      tell(call.listeners, this.#hooks, message);
    } catch (error) {
      this.#post({ type: 'abort', id: message.id });
      this.#reject(message.id, error);
    }
  }

  /** Ends a call before its answer came; nothing more is told of it. */
  #reject(id: number, reason: unknown): void {
    this.#pending.get(id)?.reject(reason);
    this.#pending.delete(id);
  }
}

function tell(listeners: Listeners, hooks: Hooks, event: Event): void {
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
 * Asks the browser not to clear what this origin stores when space gets short; workers can't. Some browsers ask the user, so nobody
 * waits for the answer, and a refusal changes nothing but that.
 */
function askToPersist(): void {
  const manager = (globalThis.navigator as Partial<Navigator> | undefined)?.storage;
  void (async () => (await manager?.persisted()) || (await manager?.persist()))().catch(() => undefined);
}
