// The worker's half of the calls about the cache: what is there, what it takes, and how it goes.

import type { CacheEntry, CacheReport } from './cache.js';
import { describeEntry, verifyEntry } from './pkg/gemma_web.js';
import { SESSIONS } from './saved.js';
import { lock } from './store.js';
import { closeBoth, nameOf, openFiles, patiently, theFolder } from './folder.js';

/** What there is. Entries that another tab is filling are shown as they are. */
export async function listEntries(): Promise<CacheEntry[]> {
  const entries: CacheEntry[] = [];
  for await (const [id, folder] of entryFolders()) {
    const entry = await describeFolder(id, folder).catch(() => undefined);
    if (entry) entries.push(entry);
  }
  return entries.sort((a, b) => (a.url < b.url ? -1 : 1));
}

/** Bytes that all of it takes, what can't be understood included. */
export async function sizeOfEntries(): Promise<number> {
  let size = 0;
  for await (const [, folder] of entryFolders()) {
    for await (const file of (folder as Iterable).values()) {
      if (file instanceof FileSystemFileHandle) size += (await file.getFile()).size;
    }
  }
  return size;
}

/** Deletes an entry; false where there is none. */
export async function deleteEntry(id: string): Promise<boolean> {
  const folder = await theFolder(false);
  if (!folder) return false;
  const release = await lock(id, 'for a moment');
  if (!release) throw busy(id);
  try {
    await patiently(() => folder.removeEntry(id, { recursive: true }));
    return true;
  } catch (thrown) {
    if (nameOf(thrown) === 'NotFoundError') return false;
    throw storage(`deleting ${id}`, thrown);
  } finally {
    release();
  }
}

/** Deletes everything that nobody has open, and then says what somebody has. */
export async function clearEntries(): Promise<undefined> {
  const ids: string[] = [];
  for await (const [id] of entryFolders()) ids.push(id);
  let failed: unknown;
  await Promise.all(ids.map((id) => deleteEntry(id).catch((thrown: unknown) => (failed ??= thrown))));
  if (failed !== undefined) throw failed;
  return undefined;
}

/** Compares an entry with its checksums. */
export async function verifyStored(id: string): Promise<CacheReport> {
  const folder = await theFolder(false);
  const release = await lock(id, 'for a moment');
  if (!release) throw busy(id);
  try {
    const files = folder && (await openFiles(folder, id, false).catch(() => undefined));
    if (!files) throw unknown(id);
    try {
      return (await verifyEntry({ id, ...files, available: () => Promise.resolve(Number.NaN) })) as CacheReport;
    } finally {
      await closeBoth(files.data, files.manifest);
    }
  } finally {
    release();
  }
}

/** The file of an entry, where all of it is there. */
export async function exportEntry(id: string): Promise<File> {
  const all = await theFolder(false);
  const folder = await all?.getDirectoryHandle(id).catch(() => undefined);
  const entry = folder && (await describeFolder(id, folder));
  if (!folder || !entry) throw unknown(id);
  if (!entry.complete) throw storage(`exporting ${id}`, new Error(`${entry.stored} of its ${entry.size} bytes are there`));
  const file = await (await folder.getFileHandle('data')).getFile();
  return new File([file], fileName(entry.url), { type: 'application/octet-stream' });
}

/** The last part of an address, as a name for a file and nothing else. What does not decode is taken as it is. */
function fileName(url: string): string {
  const last = (/^[^?#]*/.exec(url)?.[0] ?? '').split('/').at(-1) ?? '';
  let name = last;
  try {
    name = decodeURIComponent(last);
  } catch {
    // A percent sign that stands for itself.
  }
  const plain = name.replace(/[\p{Cc}/\\:*?"<>|]/gu, '_').replace(/^\.+/, '_');
  return plain === '' ? 'model.gguf' : plain;
}

/** What lib.dom doesn't say of folders. */
interface Iterable {
  entries(): AsyncIterable<[string, FileSystemHandle]>;
  values(): AsyncIterable<FileSystemHandle>;
}

async function* entryFolders(): AsyncIterable<[string, FileSystemDirectoryHandle]> {
  const folder = (await theFolder(false)) as (FileSystemDirectoryHandle & Iterable) | undefined;
  if (!folder) return;
  for await (const [id, entry] of folder.entries()) {
    // Beside them lie saved sessions.
    if (entry instanceof FileSystemDirectoryHandle && id !== SESSIONS) yield [id, entry];
  }
}

async function describeFolder(id: string, folder: FileSystemDirectoryHandle): Promise<CacheEntry | undefined> {
  const [data, manifest] = await Promise.all(['data', 'manifest'].map(async (name) => (await folder.getFileHandle(name)).getFile()));
  if (!data || !manifest) return undefined;
  const found = describeEntry(new Uint8Array(await manifest.arrayBuffer()), data.size) as Omit<CacheEntry, 'id' | 'complete'> | null;
  if (!found) return undefined;
  const { url, size, stored } = found;
  return { id, url, size, stored, complete: stored === size };
}

// What the engine would throw, see src/error.rs.

const busy = (id: string): object => ({
  code: 'cache_busy',
  message: `another tab or process has cache entry ${id} open; wait for it, or load without the cache`,
  id,
});

function storage(what: string, thrown: unknown): object {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: 'storage', message: `the cache failed: ${what}: ${why}; load without it, or delete the model from it`, what, why };
}

function unknown(id: string): object {
  const expected = 'an id that cache.list() gives';
  return { code: 'invalid_option', message: `option "id" is "${id}", expected ${expected}`, option: 'id', found: id, expected };
}
