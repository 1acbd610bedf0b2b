// Calls about the model cache: listing, deleting, verifying and exporting its entries.

import { messageOf } from '../shared/shown.js';
import { exceptionName, type IterableDirectory, packageDirectory, SESSIONS_DIRECTORY } from '../shared/storage.js';
import type { CacheEntry, CacheReport } from '../types/cache.js';
import { describeEntry, verifyEntry } from '../pkg/gemma_web.js';
import { lockEntry } from './cache-store.js';
import { closeEntryFiles, openEntryFiles, retryWhileLocked } from './opfs.js';

/** Lists the entries. Those that another tab is filling are listed as they are at the moment. */
export async function listEntries(): Promise<CacheEntry[]> {
  const entries: CacheEntry[] = [];
  for await (const [id, directory] of entryDirectories()) {
    const entry = await describe(id, directory).catch(() => undefined);
    if (entry) entries.push(entry);
  }
  return entries.sort((a, b) => (a.url < b.url ? -1 : 1));
}

/** Bytes that all entries take, including those that cannot be read. */
export async function entriesSize(): Promise<number> {
  let size = 0;
  for await (const [, directory] of entryDirectories()) {
    for await (const file of directory.values()) {
      if (file instanceof FileSystemFileHandle) size += (await file.getFile()).size;
    }
  }
  return size;
}

/** Deletes an entry; false if there is none. */
export async function deleteEntry(id: string): Promise<boolean> {
  const directory = await packageDirectory(false);
  if (!directory) return false;
  const release = await lockEntry(id, 'briefly');
  if (!release) throw busy(id);
  try {
    await retryWhileLocked(() => directory.removeEntry(id, { recursive: true }));
    return true;
  } catch (thrown) {
    if (exceptionName(thrown) === 'NotFoundError') return false;
    throw storage(`deleting ${id}`, thrown);
  } finally {
    release();
  }
}

/** Deletes all entries that are open nowhere, and then fails if others are left. */
export async function clearEntries(): Promise<undefined> {
  const ids: string[] = [];
  for await (const [id] of entryDirectories()) ids.push(id);
  let failed: unknown;
  await Promise.all(ids.map((id) => deleteEntry(id).catch((thrown: unknown) => (failed ??= thrown))));
  if (failed !== undefined) throw failed;
  return undefined;
}

/** Compares an entry with its checksums. */
export async function verifyStoredEntry(id: string): Promise<CacheReport> {
  const directory = await packageDirectory(false);
  const release = await lockEntry(id, 'briefly');
  if (!release) throw busy(id);
  try {
    const files = directory && (await openEntryFiles(directory, id, false).catch(() => undefined));
    if (!files) throw unknown(id);
    try {
      return (await verifyEntry({ id, ...files, available: () => Promise.resolve(Number.NaN) })) as CacheReport;
    } finally {
      await closeEntryFiles(files.data, files.manifest);
    }
  } finally {
    release();
  }
}

/** The file of an entry, if all of it is stored. */
export async function exportEntry(id: string): Promise<File> {
  const entries = await packageDirectory(false);
  const directory = (await entries?.getDirectoryHandle(id).catch(() => undefined)) as IterableDirectory | undefined;
  const entry = directory && (await describe(id, directory));
  if (!directory || !entry) throw unknown(id);
  if (!entry.complete) throw storage(`exporting ${id}`, new Error(`${entry.stored} of its ${entry.size} bytes are there`));
  const file = await (await directory.getFileHandle('data')).getFile();
  return new File([file], fileName(entry.url), { type: 'application/octet-stream' });
}

/** The last part of an address, made safe as a file name. A part that does not decode is taken as it is. */
function fileName(url: string): string {
  const last = (/^[^?#]*/.exec(url)?.[0] ?? '').split('/').at(-1) ?? '';
  let name = last;
  try {
    name = decodeURIComponent(last);
  } catch {
    // A percent sign that encodes nothing.
  }
  const plain = name.replace(/[\p{Cc}/\\:*?"<>|]/gu, '_').replace(/^\.+/, '_');
  return plain === '' ? 'model.gguf' : plain;
}

async function* entryDirectories(): AsyncIterable<[string, IterableDirectory]> {
  const directory = await packageDirectory(false);
  if (!directory) return;
  for await (const [id, entry] of directory.entries()) {
    if (entry instanceof FileSystemDirectoryHandle && id !== SESSIONS_DIRECTORY) yield [id, entry as IterableDirectory];
  }
}

async function describe(id: string, directory: IterableDirectory): Promise<CacheEntry | undefined> {
  const [data, manifest] = await Promise.all(['data', 'manifest'].map(async (name) => (await directory.getFileHandle(name)).getFile()));
  if (!data || !manifest) return undefined;
  const found = describeEntry(new Uint8Array(await manifest.arrayBuffer()), data.size) as Omit<CacheEntry, 'id' | 'complete'> | null;
  if (!found) return undefined;
  const { url, size, stored } = found;
  return { id, url, size, stored, complete: stored === size };
}

// Errors in the form that the engine throws, see src/error.rs.

const busy = (id: string): object => ({
  code: 'cache_busy',
  message: `another tab or process has cache entry ${id} open; wait for it, or load without the cache`,
  id,
});

function storage(what: string, thrown: unknown): object {
  const why = messageOf(thrown);
  return { code: 'storage', message: `the cache failed: ${what}: ${why}; load without it, or delete the model from it`, what, why };
}

function unknown(id: string): object {
  const expected = 'an id that cache.list() gives';
  return { code: 'invalid_option', message: `option "id" is "${id}", expected ${expected}`, option: 'id', found: id, expected };
}
