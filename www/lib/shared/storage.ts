// The origin's storage and the package's directory in its private file system:
//
//   gemma-web/ID/data       a model file as downloaded, byte for byte
//   gemma-web/ID/manifest   the chunks of it that are stored, with their checksums, in the engine's own format
//   gemma-web/sessions/     saved sessions, see page/saved-sessions.ts

const DIRECTORY = 'gemma-web';

/** Name of the directory of saved sessions, which lies beside the cache entries. */
export const SESSIONS_DIRECTORY = 'sessions';

/** A directory with the methods that lib.dom does not declare. */
export type IterableDirectory = FileSystemDirectoryHandle & {
  entries(): AsyncIterable<[string, FileSystemHandle]>;
  values(): AsyncIterable<FileSystemHandle>;
};

/** `navigator.storage`; undefined on pages that are not served securely and outside browsers, whatever the types say. */
export function storageManager(): Partial<StorageManager> | undefined {
  return (globalThis.navigator as Partial<Navigator> | undefined)?.storage;
}

/** Name of a DOMException; empty for anything else. */
export const exceptionName = (thrown: unknown): string => (thrown instanceof DOMException ? thrown.name : '');

/** The package's directory; undefined if there is no private file system or, without `create`, no such directory. */
export async function packageDirectory(create: boolean): Promise<IterableDirectory | undefined> {
  const root = await storageManager()?.getDirectory?.();
  return root && subdirectory(root, DIRECTORY, create);
}

/** The directory of this name in another one; undefined if, without `create`, there is none. */
export async function subdirectory(parent: FileSystemDirectoryHandle, name: string, create: boolean): Promise<IterableDirectory | undefined> {
  try {
    return (await parent.getDirectoryHandle(name, { create })) as IterableDirectory;
  } catch (thrown) {
    if (!create && exceptionName(thrown) === 'NotFoundError') return undefined;
    throw thrown;
  }
}
