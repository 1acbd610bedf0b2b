// Cache entries that are open for a load: one directory each in the origin private file system, locked while it is open.
//
// The data of a new entry is open in the OPFS writer, which writes while the engine continues.

import { messageOf } from '../shared/shown.js';
import { exceptionName, packageDirectory, storageManager } from '../shared/storage.js';
import type { CacheOutcome } from '../types/cache.js';
import { describeEntry } from '../pkg/gemma_web.js';
import { closeEntryFiles, LINGER_MS, openEntryFiles, probeSpace, type SyncHandle } from './opfs.js';
import { type OpfsWriterClient, RemoteOpfsFile } from './opfs-writer-client.js';

const LOCK = 'gemma-web:';

/** An open entry, as the engine's Rust half takes it. */
export interface OpenEntry {
  readonly id: string;
  readonly data: SyncHandle | RemoteOpfsFile;
  readonly manifest: SyncHandle;
  /** Bytes that may still be stored, asked before `bytes` are; NaN if the browser does not say. */
  readonly available: (bytes: number) => Promise<number>;
}

/** The entries that are open for a load. */
export interface OpenEntries {
  /** Entries by id; none for a file that is not cached. */
  readonly entries: ReadonlyMap<string, OpenEntry>;
  /** Value of {@link ModelInfo.cache}, once everything was read. */
  outcome(): CacheOutcome;
  close(): Promise<void>;
}

/** No entry, and the reason why. */
export const uncached = (why: string): OpenEntries => ({
  entries: new Map(),
  outcome: () => ({ stored: false, why }),
  close: () => Promise.resolve(),
});

/** Callbacks of {@link openEntries}. */
export interface EntryHooks {
  /** Another tab has an entry open, so this load waits. */
  onWaiting(): void;
  /** The first byte is about to be stored. */
  onStoring(): void;
  /** Starts the OPFS writer. */
  startWriter(): OpfsWriterClient;
}

/**
 * Opens the entries of a model's files and creates those that do not exist. If the browser cannot store files, none is open, and the outcome
 * says why.
 */
export async function openEntries(ids: readonly string[], hooks: EntryHooks): Promise<OpenEntries> {
  const directory = await packageDirectory(true).catch(storageFailure);
  if (typeof directory === 'string') return uncached(directory);
  if (directory === undefined) return uncached('this page has no private file system: it is not served securely, or the browser has none');
  const space = spaceLeft(hooks.onStoring);
  const entries = new Map<string, OpenEntry>();
  const releases: (() => void)[] = [];
  let writer: OpfsWriterClient | undefined;
  const close = async (): Promise<void> => {
    for (const entry of entries.values()) await closeEntry(directory, entry);
    writer?.end();
    for (const release of releases) release();
  };
  try {
    // Every tab locks in the same order, so that two of them never wait for each other.
    for (const id of [...new Set(ids)].sort()) {
      releases.push((await lockEntry(id, 'never')) ?? (hooks.onWaiting(), await lockEntry(id, 'forever')));
      const { data: local, manifest } = await openEntryFiles(directory, id, true);
      let data: SyncHandle | RemoteOpfsFile = local;
      // Data that is stored already is read faster here than the writer could hand it over.
      if (manifest.getSize() === 0) {
        local.close();
        data = (writer ??= hooks.startWriter()).open(id);
      }
      entries.set(id, { id, data, manifest, available: (bytes) => space(bytes, data) });
    }
  } catch (thrown) {
    await close();
    return uncached(storageFailure(thrown));
  }
  return { entries, outcome: () => outcomeOf(entries), close };
}

/** Opens those entries that exist and are open nowhere else, to inspect a file without creating an entry for it. */
export async function openExistingEntries(ids: readonly string[]): Promise<OpenEntries> {
  const directory = await packageDirectory(false).catch(() => undefined);
  const entries = new Map<string, OpenEntry>();
  const releases: (() => void)[] = [];
  for (const id of directory ? new Set(ids) : []) {
    const release = await lockEntry(id, 'never').catch(() => undefined);
    if (!release) continue;
    releases.push(release);
    const files = await openEntryFiles(directory as FileSystemDirectoryHandle, id, false).catch(() => undefined);
    // Only the header is read, which is small, so there is always enough space.
    if (files) entries.set(id, { id, ...files, available: () => Promise.resolve(Number.NaN) });
  }
  const close = (): Promise<void> => {
    for (const { data, manifest } of entries.values()) void closeEntryFiles(data, manifest);
    for (const release of releases) release();
    return Promise.resolve();
  };
  return { ...uncached(''), entries, close };
}

/**
 * Locks an entry against other tabs and workers, and returns the function that unlocks it; undefined if another one holds the lock for longer
 * than `wait` allows. The lock of a worker that is ended is released with it.
 */
export function lockEntry(id: string, wait: 'forever'): Promise<() => void>;
export function lockEntry(id: string, wait: 'never' | 'briefly'): Promise<(() => void) | undefined>;
export function lockEntry(id: string, wait: 'never' | 'briefly' | 'forever'): Promise<(() => void) | undefined> {
  const options: LockOptions = wait === 'never' ? { ifAvailable: true } : wait === 'briefly' ? { signal: AbortSignal.timeout(LINGER_MS) } : {};
  return new Promise((resolve, reject) => {
    const hold = (held: Lock | null): Promise<void> | undefined => {
      if (held) return new Promise((release) => resolve(release));
      resolve(undefined);
      return undefined;
    };
    globalThis.navigator.locks.request(LOCK + id, options, hold).catch((thrown: unknown) => {
      if (exceptionName(thrown) === 'TimeoutError') resolve(undefined);
      else reject(thrown);
    });
  });
}

/** Closes an entry, and removes it if nothing was stored. */
async function closeEntry(directory: FileSystemDirectoryHandle, { id, data, manifest }: OpenEntry): Promise<void> {
  const empty = manifest.getSize() === 0;
  await closeEntryFiles(data, manifest);
  if (empty) await directory.removeEntry(id, { recursive: true }).catch(() => undefined);
}

function outcomeOf(entries: ReadonlyMap<string, OpenEntry>): CacheOutcome {
  for (const { data, manifest } of entries.values()) {
    const bytes = new Uint8Array(manifest.getSize());
    manifest.read(bytes, { at: 0 });
    const entry = describeEntry(bytes, data.getSize()) as { size: number; stored: number } | null;
    if (!entry) return { stored: false, why: 'the server sends the file without its length, or compressed' };
    if (entry.stored < entry.size) return { stored: false, why: `${entry.stored} of ${entry.size} bytes are stored` };
  }
  return { stored: true, ids: [...entries.keys()] };
}

/** Function that returns the space left, less the space that this load has asked for before. */
function spaceLeft(onStoring: () => void): (bytes: number, data: SyncHandle | RemoteOpfsFile) => Promise<number> {
  let promised = 0;
  return async (bytes, data) => {
    if (promised === 0) onStoring();
    const { quota = Number.NaN, usage = Number.NaN } = (await storageManager()?.estimate?.()) ?? {};
    const free = quota - usage - promised;
    promised += bytes;
    // Some browsers report more than there is, in order to reveal nothing about the disk. Only a trial shows the truth.
    if (free < bytes) return free;
    return data instanceof RemoteOpfsFile ? data.probeSpace(bytes) : probeSpace(data, bytes);
  };
}

const storageFailure = (thrown: unknown): string => `the browser's private file system failed: ${messageOf(thrown)}`;
