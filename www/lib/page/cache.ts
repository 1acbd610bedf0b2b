// The model cache for pages to show and to clear. Only workers can read and write the private file system without copies, so each call
// starts an engine of its own.

import { abortError, GemmaError } from '../shared/errors.js';
import type { CallName, Calls } from '../shared/protocol.js';
import type { ModelCache } from '../types/cache.js';
import { EngineClient } from './engine-client.js';
import { hasWorkers } from './transport.js';
import { invalidOption } from './validate.js';

async function callOnce<Name extends CallName>(type: Name, send: Calls[Name]['send'], signal?: AbortSignal): Promise<Calls[Name]['back']> {
  if (signal?.aborted) throw abortError();
  const client = new EngineClient(hasWorkers() ? undefined : {});
  const abort = (): void => client.close(abortError());
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await client.call(type, send);
  } finally {
    signal?.removeEventListener('abort', abort);
    client.close(new GemmaError('disposed', 'the call is over'));
  }
}

function checkedId(id: string): string {
  if (typeof id === 'string' && /^[0-9a-f]+$/.test(id)) return id;
  throw invalidOption('id', id, 'an id that cache.list() gave', String(id));
}

/** The models cached in this origin. */
export const cache: ModelCache = {
  list: () => callOnce('cacheList', {}),
  size: () => callOnce('cacheSize', {}),
  delete: async (id) => callOnce('cacheDelete', { entry: checkedId(id) }),
  clear: () => callOnce('cacheClear', {}),
  verify: async (id, { signal } = {}) => callOnce('cacheVerify', { entry: checkedId(id) }, signal),
  export: async (id) => callOnce('cacheExport', { entry: checkedId(id) }),
};
