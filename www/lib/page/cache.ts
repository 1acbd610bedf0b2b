// What is kept of models between visits, for pages to show and to clear. It lies in the origin's private file system, where only
// workers can read and write without copies, so each call here starts one.

import { Connection } from './engine-client.js';
import { abortError, GemmaError } from '../shared/errors.js';
import { hasWorkers } from './transport.js';
import type { CallName, Calls } from '../shared/protocol.js';

/** A file that is kept, or as much of it as arrived. */
export interface CacheEntry {
  /** Names it in the other calls: the same for the same address. */
  readonly id: string;
  /** Where it came from. */
  readonly url: string;
  /** Bytes of the whole file. */
  readonly size: number;
  /** Bytes of it that are here. */
  readonly stored: number;
  /** Whether it can be loaded without a network. */
  readonly complete: boolean;
}

/** What {@link ModelCache.verify} found. */
export interface CacheReport {
  /** Parts of the file that are here and were read: 4 MiB each. */
  readonly chunks: number;
  /** Which of them were not what had been stored. They are forgotten, and fetched again by the next load. */
  readonly damaged: readonly number[];
}

/** What is kept of models. Calls that would change an entry which is being loaded reject with code `cache_busy`, after some seconds. */
export interface ModelCache {
  /** What is there, in the order of addresses. */
  list(): Promise<CacheEntry[]>;
  /** Bytes that all of it takes. */
  size(): Promise<number>;
  /** Deletes an entry; false where there is none. */
  delete(id: string): Promise<boolean>;
  /** Deletes everything. */
  clear(): Promise<void>;
  /** Reads an entry and compares it with the checksums of its chunks; nothing is fetched. */
  verify(id: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<CacheReport>;
  /** The whole file, to be saved or shared; it is not copied into memory. Rejects with code `storage` where it is incomplete. */
  export(id: string): Promise<File>;
}

async function ask<Name extends CallName>(type: Name, send: Calls[Name]['send'], signal?: AbortSignal): Promise<Calls[Name]['back']> {
  if (signal?.aborted) throw abortError();
  const connection = new Connection(hasWorkers() ? undefined : {});
  const abort = (): void => connection.close(abortError());
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await connection.call(type, send);
  } finally {
    signal?.removeEventListener('abort', abort);
    connection.close(new GemmaError('disposed', 'the call is over'));
  }
}

function checked(id: string): string {
  if (typeof id === 'string' && /^[0-9a-f]+$/.test(id)) return id;
  const expected = 'an id that cache.list() gave';
  throw new GemmaError('invalid_option', `option "id" is ${JSON.stringify(id)}, expected ${expected}`, { option: 'id', found: String(id), expected });
}

/** What is kept of models between visits. */
export const cache: ModelCache = {
  list: () => ask('cacheList', {}),
  size: () => ask('cacheSize', {}),
  delete: async (id) => ask('cacheDelete', { entry: checked(id) }),
  clear: () => ask('cacheClear', {}),
  verify: async (id, { signal } = {}) => ask('cacheVerify', { entry: checked(id) }, signal),
  export: async (id) => ask('cacheExport', { entry: checked(id) }),
};
