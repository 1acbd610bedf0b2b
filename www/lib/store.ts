// The worker's half of the cache: entries in the origin's private file system, one folder each, locked while they are open.
//
//   gemma-web/ID/data       the file as it is downloaded, byte for byte
//   gemma-web/ID/manifest   which chunks of it are there, and their checksums; what it means is the engine's business

import type { CacheOutcome } from './types.js';
import { describeEntry } from './pkg/gemma_web.js';

const FOLDER = 'gemma-web';
const LOCK = 'gemma-web:';
/** A worker that was ended keeps what it holds until the browser has stopped it: some browsers wait for the GPU to finish compiling. */
const LINGER_MS = 5000;

/** Of a file that only a worker can open, what is used here; lib.dom doesn't have it. */
interface SyncHandle {
  getSize(): number;
  read(into: Uint8Array, options: { at: number }): number;
  close(): void;
}

/** An open entry, as the engine takes it. */
export interface Store {
  readonly id: string;
  readonly data: SyncHandle;
  readonly manifest: SyncHandle;
  /** How many bytes may be stored yet, asked before so many are; NaN where the browser doesn't say. */
  readonly available: (bytes: number) => Promise<number>;
}

/** What is open for a load. */
export interface Opened {
  /** By id; nothing of a file that is not kept. */
  readonly stores: ReadonlyMap<string, Store>;
  /** What {@link ModelInfo.cache} is to say, once everything was read. */
  outcome(): CacheOutcome;
  close(): Promise<void>;
}

/** Why nothing is kept. */
export const notKept = (why: string): Opened => ({
  stores: new Map(),
  outcome: () => ({ stored: false, why }),
  close: () => Promise.resolve(),
});

/**
 * Opens the entries of a model's files, made where they don't exist. Waits, after calling `onWaiting`, while another tab has one.
 * Where the browser can't keep files none is open, and the outcome says why. `onStoring` is called before the first byte is stored.
 */
export async function openEntries(ids: readonly string[], onWaiting: () => void, onStoring: () => void): Promise<Opened> {
  const folder = await theFolder(true).catch(saidWhy);
  if (typeof folder === 'string') return notKept(folder);
  if (folder === undefined) return notKept('this page has no private file system: it is not served securely, or the browser has none');
  const available = spaceLeft(onStoring);
  const stores = new Map<string, Store>();
  const releases: (() => void)[] = [];
  const close = async (): Promise<void> => {
    for (const store of stores.values()) await closeEntry(folder, store);
    for (const release of releases) release();
  };
  try {
    // In one order everywhere, so that two tabs never wait for each other.
    for (const id of [...new Set(ids)].sort()) {
      releases.push((await lock(id, 'not')) ?? (onWaiting(), await lock(id, 'for ever')));
      stores.set(id, { id, ...(await openFiles(folder, id, true)), available });
    }
  } catch (thrown) {
    await close();
    return notKept(saidWhy(thrown));
  }
  return { stores, outcome: () => outcomeOf(stores), close };
}

/** Opens those of the entries that exist and that nobody has open: to look at a file without making an entry for it. */
export async function openExisting(ids: readonly string[]): Promise<Opened> {
  const folder = await theFolder(false).catch(() => undefined);
  const stores = new Map<string, Store>();
  const releases: (() => void)[] = [];
  for (const id of folder ? new Set(ids) : []) {
    const release = await lock(id, 'not').catch(() => undefined);
    if (!release) continue;
    releases.push(release);
    const files = await openFiles(folder as FileSystemDirectoryHandle, id, false).catch(() => undefined);
    // The header is small: whether the whole file fits is not the question.
    if (files) stores.set(id, { id, ...files, available: () => Promise.resolve(Number.NaN) });
  }
  const close = (): Promise<void> => {
    for (const { data, manifest } of stores.values()) closeBoth(data, manifest);
    for (const release of releases) release();
    return Promise.resolve();
  };
  return { ...notKept(''), stores, close };
}

/** The folder of all entries; undefined where there is none, or no file system. */
export async function theFolder(create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  // Absent on pages that are not served securely and outside of browsers, whatever the types say.
  const manager = (globalThis.navigator as Partial<Navigator> | undefined)?.storage as Partial<StorageManager> | undefined;
  if (!manager?.getDirectory) return undefined;
  const root = await manager.getDirectory();
  try {
    return await root.getDirectoryHandle(FOLDER, { create });
  } catch (thrown) {
    if (!create && nameOf(thrown) === 'NotFoundError') return undefined;
    throw thrown;
  }
}

/**
 * Locks an entry against other tabs and workers, and gives what unlocks it; undefined where it is somebody else's for longer than is
 * waited. The lock of a worker that is ended goes with it.
 */
export function lock(id: string, wait: 'for ever'): Promise<() => void>;
export function lock(id: string, wait: 'not' | 'for a moment'): Promise<(() => void) | undefined>;
export function lock(id: string, wait: 'not' | 'for a moment' | 'for ever'): Promise<(() => void) | undefined> {
  const options: LockOptions = wait === 'not' ? { ifAvailable: true } : wait === 'for a moment' ? { signal: AbortSignal.timeout(LINGER_MS) } : {};
  return new Promise((resolve, reject) => {
    const hold = (held: Lock | null): Promise<void> | undefined => {
      if (held) return new Promise((release) => resolve(release));
      resolve(undefined);
      return undefined;
    };
    globalThis.navigator.locks.request(LOCK + id, options, hold).catch((thrown: unknown) => {
      if (nameOf(thrown) === 'TimeoutError') resolve(undefined);
      else reject(thrown);
    });
  });
}

export async function openFiles(folder: FileSystemDirectoryHandle, id: string, create: boolean): Promise<{ data: SyncHandle; manifest: SyncHandle }> {
  const entry = await folder.getDirectoryHandle(id, { create });
  const open = async (name: string): Promise<SyncHandle> => {
    const file = (await entry.getFileHandle(name, { create })) as FileSystemFileHandle & { createSyncAccessHandle(): Promise<SyncHandle> };
    return patiently(() => file.createSyncAccessHandle());
  };
  const data = await open('data');
  try {
    return { data, manifest: await open('manifest') };
  } catch (thrown) {
    data.close();
    throw thrown;
  }
}

/** Tries again while a worker that is gone still holds a file. */
export async function patiently<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + LINGER_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (thrown) {
      if (nameOf(thrown) !== 'NoModificationAllowedError' || Date.now() > deadline) throw thrown;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

/** Closes an entry, and removes it where nothing was stored. */
async function closeEntry(folder: FileSystemDirectoryHandle, { id, data, manifest }: Store): Promise<void> {
  const empty = manifest.getSize() === 0;
  closeBoth(data, manifest);
  if (empty) await folder.removeEntry(id, { recursive: true }).catch(() => undefined);
}

export function closeBoth(data: SyncHandle, manifest: SyncHandle): void {
  data.close();
  manifest.close();
}

function outcomeOf(stores: ReadonlyMap<string, Store>): CacheOutcome {
  for (const { data, manifest } of stores.values()) {
    const bytes = new Uint8Array(manifest.getSize());
    manifest.read(bytes, { at: 0 });
    const entry = describeEntry(bytes, data.getSize()) as { size: number; stored: number } | null;
    if (!entry) return { stored: false, why: 'the server sends the file without its length, or compressed' };
    if (entry.stored < entry.size) return { stored: false, why: `${entry.stored} of ${entry.size} bytes are stored` };
  }
  return { stored: true, ids: [...stores.keys()] };
}

/** Space that is left, less what was asked for before in this load. */
function spaceLeft(onStoring: () => void): (bytes: number) => Promise<number> {
  let promised = 0;
  return async (bytes) => {
    if (promised === 0) onStoring();
    const { quota = Number.NaN, usage = Number.NaN } = await globalThis.navigator.storage.estimate();
    const free = quota - usage - promised;
    promised += bytes;
    return free;
  };
}

export const nameOf = (thrown: unknown): string => (thrown instanceof DOMException ? thrown.name : '');

const saidWhy = (thrown: unknown): string => `the browser's private file system failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
