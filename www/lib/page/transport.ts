// How messages reach the engine's half: in a worker, or in the same thread.

import { bytesOf } from '../engine/opfs-writer-client.js';
import { GemmaError, toRecord } from '../shared/errors.js';
import type { FromHost, ToHost, ToPage } from '../shared/protocol.js';
import type { GpuDeviceLike, GpuLike } from '../types/model.js';
import { startTrusted } from '../start-worker.js';
import { type FromWriter, WRITER } from '../engine/opfs-writer.js';

/** The way to the engine's half. */
export interface Link {
  post(message: ToHost, transfer: readonly Transferable[]): void;
  /** Ends the engine's half; it sends nothing any more. */
  close(): void;
}

/** Where an engine without a worker runs. */
export interface Setting {
  /** In place of `navigator.gpu`. */
  readonly gpu?: GpuLike | undefined;
  /** In place of a device of its own. */
  readonly device?: GpuDeviceLike | undefined;
}

/** Whether there are workers of the web's kind here; Node's are of another. */
export const hasWorkers = (): boolean => typeof globalThis.Worker === 'function';

/**
 * Starts a worker, and another one that writes if it asks for it: a worker that is ended waits, in Firefox, until those that it started
 * itself have ended. `fail` is told once when it can't be used any more.
 */
export function linkWorker(receive: (message: ToPage) => void, fail: (error: Error) => void): Link {
  const failed = (what: string) => (event: ErrorEvent): void => {
    event.preventDefault();
    const why = event.message || 'its script could not be loaded';
    fail(new GemmaError('internal', `${what} failed: ${why}; check that worker.js and the .wasm file are served`));
  };
  // Bundlers recognise exactly this form and ship the worker as a file of its own.
  const worker = startTrusted(() => new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'gemma-web' }));
  let writer: Worker | undefined;
  const startWriter = (): Worker => {
    const started = startTrusted(() => new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: WRITER }));
    // Not through a MessagePort between the two, which in Firefox would copy the bytes.
    started.onmessage = ({ data }: MessageEvent<FromWriter>) => worker.postMessage({ type: 'written', message: data } satisfies ToHost, bytesOf(data));
    started.onerror = failed('the worker that writes');
    return started;
  };
  worker.onmessage = ({ data }: MessageEvent<FromHost>) => {
    if (data.type !== 'write') return receive(data);
    writer ??= startWriter();
    writer.postMessage(data.message, bytesOf(data.message));
  };
  worker.onerror = failed("the engine's worker");
  return {
    post: (message, transfer) => worker.postMessage(message, [...transfer]),
    close: () => {
      worker.terminate();
      writer?.terminate();
    },
  };
}

/** Loads the engine's half into this thread. Messages arrive in later tasks and as copies, as a worker's do. */
export function linkHere(setting: Setting, receive: (message: ToPage) => void, fail: (error: Error) => void): Link {
  let open = true;
  // Nothing is kept without a worker, so nothing is to be written.
  const deliver = (message: FromHost): void => queueMicrotask(() => void (open && message.type !== 'write' && receive(message)));
  const host = import('../engine/server.js').then(({ Host }) => new Host(deliver, setting));
  host.catch((thrown: unknown) => fail(new GemmaError('internal', toRecord(thrown).message)));
  return {
    post: (message) => {
      const copy = copied(message);
      void host.then((half) => half.receive(copy)).catch(() => undefined);
    },
    close: () => {
      open = false;
      void host.then((half) => half.close()).catch(() => undefined);
    },
  };
}

/** All but sources, which may hold what can't be copied and needn't be. */
function copied(message: ToHost): ToHost {
  if (message.type === 'load' || message.type === 'inspect') return { ...message, options: structuredClone(message.options) };
  return structuredClone(message);
}
