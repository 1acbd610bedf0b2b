// Files of the cache, in workers: the only ones that can open them without copies.
//
//   gemma-web/ID/data       the file as it is downloaded, byte for byte
//   gemma-web/ID/manifest   which chunks of it are there, and their checksums; what it means is the engine's business
//   gemma-web/sessions/     conversations, see saved.ts

const FOLDER = 'gemma-web';
/** A worker that was ended keeps what it holds until the browser has stopped it: some browsers wait for the GPU to finish compiling. */
export const LINGER_MS = 5000;
/** How exactly space is measured. */
const PROBE_BYTES = 1 << 16;

/** Of a file that only a worker can open, what is used here; lib.dom doesn't have it. */
export interface SyncHandle {
  getSize(): number;
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(length: number): void;
  flush(): void;
  close(): void;
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

export async function openFiles(folder: FileSystemDirectoryHandle, id: string, create: boolean): Promise<{ data: SyncHandle; manifest: SyncHandle }> {
  const entry = await folder.getDirectoryHandle(id, { create });
  const data = await openFile(entry, 'data', create);
  try {
    return { data, manifest: await openFile(entry, 'manifest', create) };
  } catch (thrown) {
    data.close();
    throw thrown;
  }
}

/** Opens the data of an entry that exists. */
export async function openData(id: string): Promise<SyncHandle> {
  const folder = await theFolder(false);
  if (!folder) throw new Error('the folder of the cache is gone');
  return openFile(await folder.getDirectoryHandle(id), 'data', false);
}

async function openFile(entry: FileSystemDirectoryHandle, name: string, create: boolean): Promise<SyncHandle> {
  const file = (await entry.getFileHandle(name, { create })) as FileSystemFileHandle & { createSyncAccessHandle(): Promise<SyncHandle> };
  return patiently(() => file.createSyncAccessHandle());
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

/** How many of so many bytes a file can be extended by: all of them, or as many as were found by trying. It stays as it is. */
export function roomIn(handle: SyncHandle, bytes: number): number {
  const length = handle.getSize();
  const fits = (more: number): boolean => {
    try {
      handle.truncate(length + more);
      return true;
    } catch (thrown) {
      if (nameOf(thrown) !== 'QuotaExceededError') throw thrown;
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

/** Closes the files of an entry, once all is written. */
export async function closeBoth(data: { close(): void | Promise<void> }, manifest: SyncHandle): Promise<void> {
  await data.close();
  manifest.close();
}

export const nameOf = (thrown: unknown): string => (thrown instanceof DOMException ? thrown.name : '');

