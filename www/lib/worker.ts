// The worker: the engine's half with a thread of its own, or by its name the one that writes. One script for both, so that there is one
// to put beside the page.

import { Host } from './engine/server.js';
import type { FromHost, ToHost } from './shared/protocol.js';
import { write, WRITER } from './engine/opfs-writer.js';

/** What of a worker's global scope is used here; lib.dom and lib.webworker can't be loaded together. */
interface WorkerScope {
  postMessage(message: FromHost, transfer?: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<ToHost>) => void): void;
  addEventListener(type: 'error', listener: (event: ErrorEvent) => void): void;
  addEventListener(type: 'unhandledrejection', listener: (event: PromiseRejectionEvent) => void): void;
}

function run(scope: WorkerScope): void {
  const host = new Host((message, transfer) => scope.postMessage(message, transfer));
  scope.addEventListener('message', ({ data }) => host.receive(data));
  // A panic of the engine unwinds through whatever task it ran in and leaves its promise hanging for ever.
  scope.addEventListener('error', (event) => {
    event.preventDefault();
    host.fatal(event.error ?? event.message);
  });
  scope.addEventListener('unhandledrejection', (event) => {
    event.preventDefault();
    host.fatal(event.reason);
  });
}

const scope = globalThis as unknown as WorkerScope & Parameters<typeof write>[0] & { readonly name: string };
if (scope.name === WRITER) write(scope);
else run(scope);
