// Transports for messages between the page and the engine: to a worker, or within the page's own thread.

import { GemmaError, toRecord } from '../shared/errors.js';
import type { FromEngine, InlineTarget, ToEngine, ToPage } from '../shared/protocol.js';
import { buffersOf, type FromWriter, WRITER_NAME } from '../shared/writer-protocol.js';
import { startWorker } from '../start-worker.js';

/** A connection to one engine. */
export interface Transport {
  post(message: ToEngine, transfer: readonly Transferable[]): void;
  /** Ends the engine, which sends no further message. */
  close(): void;
}

/** Whether there are web workers here; those of Node.js are of another kind. */
export const hasWorkers = (): boolean => typeof globalThis.Worker === 'function';

/**
 * Starts an engine in a worker. The OPFS writer, a second worker, is started from here once the engine asks for it: in Firefox a worker that
 * is terminated waits until the workers it started itself have ended. `fail` is called when the engine can no longer be used.
 */
export function connectWorker(receive: (message: ToPage) => void, fail: (error: Error) => void): Transport {
  const failed = (what: string) => (event: ErrorEvent): void => {
    event.preventDefault();
    const why = event.message || 'its script could not be loaded';
    fail(new GemmaError('internal', `${what} failed: ${why}; check that worker.js and the .wasm file are served`));
  };
  const worker = startWorker('gemma-web');
  let writer: Worker | undefined;
  const startWriter = (): Worker => {
    const started = startWorker(WRITER_NAME);
    // Not through a MessagePort between the two, which in Firefox would copy the bytes.
    started.onmessage = ({ data }: MessageEvent<FromWriter>) => worker.postMessage({ type: 'fromWriter', message: data } satisfies ToEngine, buffersOf(data));
    started.onerror = failed('the worker that writes');
    return started;
  };
  worker.onmessage = ({ data }: MessageEvent<FromEngine>) => {
    if (data.type !== 'toWriter') return receive(data);
    writer ??= startWriter();
    writer.postMessage(data.message, buffersOf(data.message));
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

/** Loads an engine into this thread. As with a worker, messages arrive in later tasks and as copies. */
export function connectInline(target: InlineTarget, receive: (message: ToPage) => void, fail: (error: Error) => void): Transport {
  let open = true;
  // Without a worker nothing is stored, so there is never anything for the OPFS writer.
  const deliver = (message: FromEngine): void => queueMicrotask(() => void (open && message.type !== 'toWriter' && receive(message)));
  const server = import('../engine/server.js').then(({ EngineServer }) => new EngineServer(deliver, target));
  server.catch((thrown: unknown) => fail(new GemmaError('internal', toRecord(thrown).message)));
  return {
    post: (message) => {
      const copy = copied(message);
      void server.then((engine) => engine.receive(copy)).catch(() => undefined);
    },
    close: () => {
      open = false;
      void server.then((engine) => engine.close()).catch(() => undefined);
    },
  };
}

/** A copy of all but the source, which may hold values that cannot be copied and need not be. */
function copied(message: ToEngine): ToEngine {
  if (message.type === 'load' || message.type === 'inspect') return { ...message, options: structuredClone(message.options) };
  return structuredClone(message);
}
