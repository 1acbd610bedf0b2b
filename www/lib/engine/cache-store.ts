// The worker's half of the cache: entries in the origin's private file system, one folder each, locked while they are open.
//
// The data of a new entry is open in a worker of its own, which writes while the engine goes on.

import type { CacheOutcome } from '../types/model.js';
import { DistantFile, type Writer } from './opfs-writer-client.js';
import { closeBoth, LINGER_MS, nameOf, openFiles, roomIn, type SyncHandle, theFolder } from './opfs.js';
import { describeEntry } from '../pkg/gemma_web.js';

const LOCK = 'gemma-web:';

/** An open entry, as the engine takes it. */
export interface Store {
  readonly id: string;
  readonly data: SyncHandle | DistantFile;
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

/** What the page hears of {@link openEntries}. */
export interface Hearing {
  /** Another tab has an entry, and is waited for. */
  onWaiting(): void;
  /** The first byte is about to be stored. */
  onStoring(): void;
  /** A worker that writes (writer.ts) is wanted. */
  startWriter(): Writer;
}

/**
 * Opens the entries of a model's files, made where they don't exist. Where the browser can't keep files none is open, and the
 * outcome says why.
 */
export async function openEntries(ids: readonly string[], hear: Hearing): Promise<Opened> {
  const folder = await theFolder(true).catch(saidWhy);
  if (typeof folder === 'string') return notKept(folder);
  if (folder === undefined) return notKept('this page has no private file system: it is not served securely, or the browser has none');
  const space = spaceLeft(hear.onStoring);
  const stores = new Map<string, Store>();
  const releases: (() => void)[] = [];
  let writer: Writer | undefined;
  const close = async (): Promise<void> => {
    for (const store of stores.values()) await closeEntry(folder, store);
    writer?.end();
    for (const release of releases) release();
  };
  try {
    // In one order everywhere, so that two tabs never wait for each other.
    for (const id of [...new Set(ids)].sort()) {
      releases.push((await lock(id, 'not')) ?? (hear.onWaiting(), await lock(id, 'for ever')));
      const { data: here, manifest } = await openFiles(folder, id, true);
      let data: SyncHandle | DistantFile = here;
      // What is there already is read faster here than it could be handed over.
      if (manifest.getSize() === 0) {
        here.close();
        data = (writer ??= hear.startWriter()).open(id);
      }
      stores.set(id, { id, data, manifest, available: (bytes) => space(bytes, data) });
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
    for (const { data, manifest } of stores.values()) void closeBoth(data, manifest);
    for (const release of releases) release();
    return Promise.resolve();
  };
  return { ...notKept(''), stores, close };
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

/** Closes an entry, and removes it where nothing was stored. */
async function closeEntry(folder: FileSystemDirectoryHandle, { id, data, manifest }: Store): Promise<void> {
  const empty = manifest.getSize() === 0;
  await closeBoth(data, manifest);
  if (empty) await folder.removeEntry(id, { recursive: true }).catch(() => undefined);
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
function spaceLeft(onStoring: () => void): (bytes: number, data: SyncHandle | DistantFile) => Promise<number> {
  let promised = 0;
  return async (bytes, data) => {
    if (promised === 0) onStoring();
    const { quota = Number.NaN, usage = Number.NaN } = await globalThis.navigator.storage.estimate();
    const free = quota - usage - promised;
    promised += bytes;
    // Some browsers name a space that is not there, so as to tell nothing of the disk. What is there shows only in use.
    if (free < bytes) return free;
    return data instanceof DistantFile ? data.room(bytes) : roomIn(data, bytes);
  };
}

const saidWhy = (thrown: unknown): string => `the browser's private file system failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
