// Files of cache entries in the origin private file system. Only workers can open them for access without copies.

import { exceptionName, packageDirectory } from '../shared/storage.js';

/** Time for which a worker that was ended may still hold its files: some browsers wait for the GPU to finish compiling. */
export const LINGER_MS = 5000;
/** Precision to which free space is probed. */
const PROBE_BYTES = 1 << 16;

/** A `FileSystemSyncAccessHandle`, as far as it is used here; lib.dom has no type for it. */
export interface SyncHandle {
  getSize(): number;
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(length: number): void;
  flush(): void;
  close(): void;
}

/** Opens both files of an entry. */
export async function openEntryFiles(
  directory: FileSystemDirectoryHandle,
  id: string,
  create: boolean,
): Promise<{ data: SyncHandle; manifest: SyncHandle }> {
  const entry = await directory.getDirectoryHandle(id, { create });
  const data = await openFile(entry, 'data', create);
  try {
    return { data, manifest: await openFile(entry, 'manifest', create) };
  } catch (thrown) {
    data.close();
    throw thrown;
  }
}

/** Opens the data of an entry that exists. */
export async function openEntryData(id: string): Promise<SyncHandle> {
  const directory = await packageDirectory(false);
  if (!directory) throw new Error('the folder of the cache is gone');
  return openFile(await directory.getDirectoryHandle(id), 'data', false);
}

/** Closes both files of an entry, the data once all of it is written. */
export async function closeEntryFiles(data: { close(): void | Promise<void> }, manifest: SyncHandle): Promise<void> {
  await data.close();
  manifest.close();
}

async function openFile(entry: FileSystemDirectoryHandle, name: string, create: boolean): Promise<SyncHandle> {
  const file = (await entry.getFileHandle(name, { create })) as FileSystemFileHandle & { createSyncAccessHandle(): Promise<SyncHandle> };
  return retryWhileLocked(() => file.createSyncAccessHandle());
}

/** Repeats an attempt while a worker that was ended still holds the file. */
export async function retryWhileLocked<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + LINGER_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (thrown) {
      if (exceptionName(thrown) !== 'NoModificationAllowedError' || Date.now() > deadline) throw thrown;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

/** Number of bytes, up to `bytes`, by which the file can be extended, found by trying. The file stays as it is. */
export function probeSpace(handle: SyncHandle, bytes: number): number {
  const length = handle.getSize();
  const fits = (more: number): boolean => {
    try {
      handle.truncate(length + more);
      return true;
    } catch (thrown) {
      if (exceptionName(thrown) !== 'QuotaExceededError') throw thrown;
      return false;
    }
  };
  let [most, tooMuch] = fits(bytes) ? [bytes, bytes] : [0, bytes];
  while (tooMuch - most > PROBE_BYTES) {
    const middle = Math.floor((most + tooMuch) / 2);
    if (fits(middle)) most = middle;
    else tooMuch = middle;
  }
  handle.truncate(length);
  return most;
}
