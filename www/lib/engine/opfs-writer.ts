// OPFS writer: the worker that writes the data of new cache entries while the engine waits for the network or feeds the GPU.

import { messageOf } from '../shared/shown.js';
import type { FromWriter, ToWriter } from '../shared/writer-protocol.js';
import { openEntryData, probeSpace, type SyncHandle } from './opfs.js';

type EntryCommand = Exclude<ToWriter, { type: 'end' }>;

/** An entry's data, with a failure of a command that is not answered: the next one that is reports it. */
interface Entry {
  handle: SyncHandle | undefined;
  failed: unknown;
}

/** A worker's global scope, as far as it is used here. */
export interface WriterScope {
  postMessage(message: FromWriter, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<ToWriter>) => void): void;
  close(): void;
}

const entries = new Map<string, Entry>();

/** Carries out the commands that arrive, one after another. */
export function serveWriter(scope: WriterScope): void {
  let queue: Promise<void> = Promise.resolve();
  scope.addEventListener('message', ({ data }) => {
    queue = queue.then(() => (data.type === 'end' ? scope.close() : answer(data, scope)));
  });
}

async function answer(command: EntryCommand, scope: WriterScope): Promise<void> {
  const entry = entries.get(command.entry) ?? { handle: undefined, failed: undefined };
  entries.set(command.entry, entry);
  try {
    if (command.type !== 'close' && entry.failed !== undefined) throw entry.failed;
    const value = await run(command, entry);
    if ('call' in command) scope.postMessage({ call: command.call, value }, value instanceof Uint8Array ? [value.buffer] : []);
  } catch (thrown) {
    if ('call' in command) {
      const name = thrown instanceof Error ? thrown.name : 'Error';
      scope.postMessage({ call: command.call, failed: { name, message: messageOf(thrown) } }, []);
    } else {
      entry.failed = thrown;
    }
  }
}

async function run(command: EntryCommand, entry: Entry): Promise<Uint8Array<ArrayBuffer> | number | undefined> {
  if (command.type === 'open') {
    entry.handle = await openEntryData(command.entry);
    return undefined;
  }
  const { handle } = entry;
  if (command.type === 'close') {
    entries.delete(command.entry);
    handle?.close();
    return undefined;
  }
  if (!handle) throw new Error('the entry is not open');
  switch (command.type) {
    case 'write': {
      const written = handle.write(command.bytes, { at: command.offset });
      // Some browsers write less instead of throwing.
      if (written < command.bytes.length) throw new DOMException(`${written} of ${command.bytes.length} bytes were written`, 'QuotaExceededError');
      return command.bytes;
    }
    case 'read': {
      const bytes = new Uint8Array(command.length);
      return bytes.subarray(0, handle.read(bytes, { at: command.offset }));
    }
    case 'probeSpace':
      return probeSpace(handle, command.bytes);
    case 'truncate':
      handle.truncate(command.length);
      return undefined;
    case 'flush':
      handle.flush();
      return undefined;
  }
}
