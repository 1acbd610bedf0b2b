// The worker that writes the data of new entries, while the engine waits for the network or feeds the GPU.

import { openData, roomIn, type SyncHandle } from './opfs.js';

/** What is asked of it: in this order, for each entry. Numbered where an answer is waited for. */
export type ToWriter =
  | { readonly type: 'open'; readonly entry: string }
  | { readonly type: 'write'; readonly entry: string; readonly call: number; readonly offset: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'read'; readonly entry: string; readonly call: number; readonly offset: number; readonly length: number }
  | { readonly type: 'room'; readonly entry: string; readonly call: number; readonly bytes: number }
  | { readonly type: 'truncate'; readonly entry: string; readonly length: number }
  | { readonly type: 'flush'; readonly entry: string }
  | { readonly type: 'close'; readonly entry: string; readonly call: number }
  | { readonly type: 'end' };

/** What it answers: a call's value (for bytes the array they were or are in), or why there is none. */
export type FromWriter =
  | { readonly call: number; readonly value: Uint8Array<ArrayBuffer> | number | undefined }
  | { readonly call: number; readonly failed: { readonly name: string; readonly message: string } };

type Asked = Exclude<ToWriter, { type: 'end' }>;

/** An entry's data, and what went wrong with it where nobody waited for an answer: the next who does is told. */
interface Entry {
  handle: SyncHandle | undefined;
  failed: unknown;
}

/** Of the global scope of a worker, what is used here. */
interface WriterScope {
  postMessage(message: FromWriter, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<ToWriter>) => void): void;
  close(): void;
}

/** What the worker is called, by which it knows what it is for. */
export const WRITER = 'gemma-web writer';

const entries = new Map<string, Entry>();

/** Takes orders from now on. */
export function write(scope: WriterScope): void {
  let queue: Promise<void> = Promise.resolve();
  scope.addEventListener('message', ({ data }) => {
    queue = queue.then(() => (data.type === 'end' ? scope.close() : answer(data, scope)));
  });
}

async function answer(asked: Asked, scope: WriterScope): Promise<void> {
  const entry = entries.get(asked.entry) ?? { handle: undefined, failed: undefined };
  entries.set(asked.entry, entry);
  try {
    if (asked.type !== 'close' && entry.failed !== undefined) throw entry.failed;
    const value = await carryOut(asked, entry);
    if ('call' in asked) scope.postMessage({ call: asked.call, value }, value instanceof Uint8Array ? [value.buffer] : []);
  } catch (thrown) {
    if ('call' in asked) {
      const { name, message } = thrown instanceof Error ? thrown : new Error(String(thrown));
      scope.postMessage({ call: asked.call, failed: { name, message } }, []);
    } else {
      entry.failed = thrown;
    }
  }
}

async function carryOut(asked: Asked, entry: Entry): Promise<Uint8Array<ArrayBuffer> | number | undefined> {
  if (asked.type === 'open') {
    entry.handle = await openData(asked.entry);
    return undefined;
  }
  const { handle } = entry;
  if (asked.type === 'close') {
    entries.delete(asked.entry);
    handle?.close();
    return undefined;
  }
  if (!handle) throw new Error('the entry is not open');
  switch (asked.type) {
    case 'write': {
      const written = handle.write(asked.bytes, { at: asked.offset });
      // What some browsers do in place of throwing.
      if (written < asked.bytes.length) throw new DOMException(`${written} of ${asked.bytes.length} bytes were written`, 'QuotaExceededError');
      return asked.bytes;
    }
    case 'read': {
      const bytes = new Uint8Array(asked.length);
      return bytes.subarray(0, handle.read(bytes, { at: asked.offset }));
    }
    case 'room':
      return roomIn(handle, asked.bytes);
    case 'truncate':
      handle.truncate(asked.length);
      return undefined;
    case 'flush':
      handle.flush();
      return undefined;
  }
}
