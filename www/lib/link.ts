// How messages reach the engine's half: in a worker, or in the same thread.

import { GemmaError, toRecord } from './errors.js';
import type { FromHost, ToHost } from './protocol.js';
import type { GpuDeviceLike, GpuLike } from './types.js';

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

/** Starts a worker. `fail` is told once when it can't be used any more. */
export function linkWorker(receive: (message: FromHost) => void, fail: (error: Error) => void): Link {
  // Bundlers recognise exactly this form and ship the worker as a file of its own.
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'gemma-web' });
  worker.onmessage = (event: MessageEvent<FromHost>) => receive(event.data);
  worker.onerror = (event) => {
    event.preventDefault();
    const why = event.message || 'its script could not be loaded';
    fail(new GemmaError('internal', `the engine's worker failed: ${why}; check that worker.js and the .wasm file are served`));
  };
  return {
    post: (message, transfer) => worker.postMessage(message, [...transfer]),
    close: () => worker.terminate(),
  };
}

/** Loads the engine's half into this thread. Messages arrive in later tasks and as copies, as a worker's do. */
export function linkHere(setting: Setting, receive: (message: FromHost) => void, fail: (error: Error) => void): Link {
  let open = true;
  const deliver = (message: FromHost): void => queueMicrotask(() => void (open && receive(message)));
  const host = import('./host.js').then(({ Host }) => new Host(deliver, setting));
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
