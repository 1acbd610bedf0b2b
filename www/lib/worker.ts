// Entry point of both workers, the engine's and the OPFS writer: one script, so that a page has only one to serve.

import { serveWriter, type WriterScope } from './engine/opfs-writer.js';
import { EngineServer } from './engine/server.js';
import type { FromEngine, ToEngine } from './shared/protocol.js';
import { WRITER_NAME } from './shared/writer-protocol.js';

/** A worker's global scope, as far as it is used here; lib.dom and lib.webworker cannot be loaded together. */
interface EngineScope {
  postMessage(message: FromEngine, transfer?: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<ToEngine>) => void): void;
  addEventListener(type: 'error', listener: (event: ErrorEvent) => void): void;
  addEventListener(type: 'unhandledrejection', listener: (event: PromiseRejectionEvent) => void): void;
}

function serveEngine(scope: EngineScope): void {
  const server = new EngineServer((message, transfer) => scope.postMessage(message, transfer));
  scope.addEventListener('message', ({ data }) => server.receive(data));
  // A panic of the engine unwinds through the task it ran in and leaves that task's promise pending for ever.
  scope.addEventListener('error', (event) => {
    event.preventDefault();
    server.fatal(event.error ?? event.message);
  });
  scope.addEventListener('unhandledrejection', (event) => {
    event.preventDefault();
    server.fatal(event.reason);
  });
}

const scope = globalThis as unknown as EngineScope & WriterScope & { readonly name: string };
if (scope.name === WRITER_NAME) serveWriter(scope);
else serveEngine(scope);
