// Files by their paths, in Node.js and what is like it.

import type { Part } from '../page/byte-server.js';
import { GemmaError } from './errors.js';
import type { ModelSource } from '../page/source.js';

/** Of Node's modules, what is used here. */
interface Files {
  statSync(path: string): { readonly size: number };
  readonly promises: { open(path: string): Promise<FileHandle>; readFile(path: string | URL): Promise<Uint8Array<ArrayBuffer>> };
}

interface FileHandle {
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  close(): Promise<void>;
}

/** One of Node's own modules, undefined elsewhere: asked for in a way that no bundler follows. */
function builtin(name: string): unknown {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  return typeof document === 'undefined' ? process?.getBuiltinModule?.(name) : undefined;
}

/** What a `file:` address names; undefined where files can't be read. */
export async function readLocal(url: URL): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const files = url.protocol === 'file:' ? (builtin('node:fs') as Files | undefined) : undefined;
  return files?.promises.readFile(url);
}

/** The files of a source that is a path or a `file:` address, or several; undefined where it is something else, or not in Node.js. */
export function localFiles(source: ModelSource): Part[] | undefined {
  const files = builtin('node:fs') as Files | undefined;
  if (!files) return undefined;
  const paths = (Array.isArray(source) ? (source as readonly unknown[]) : [source]).map(pathOf);
  if (paths.length === 0 || !paths.every((path) => path !== undefined)) return undefined;
  const [first] = paths;
  return (paths.length === 1 && first !== undefined ? shards(first) : paths).map((path) => part(files, path));
}

function pathOf(source: unknown): string | undefined {
  const text = source instanceof URL ? source.href : source;
  if (typeof text !== 'string' || text === '') return undefined;
  if (text.startsWith('file:')) return (builtin('node:url') as { fileURLToPath(url: string): string }).fileURLToPath(text);
  // A drive of Windows is one letter; a scheme, and `hf:`, are more.
  return /^[a-z][a-z0-9+.-]+:/i.test(text) ? undefined : text;
}

/** All the files of a model in parts, by the first one's path. */
function shards(first: string): string[] {
  const count = Number(/-00001-of-(\d{5})\.gguf$/i.exec(first)?.[1] ?? 1);
  return Array.from({ length: count }, (_, index) => first.replace(/-00001-of-/i, `-${String(index + 1).padStart(5, '0')}-of-`));
}

function part(files: Files, path: string): Part {
  const name = path.split(/[\\/]/).at(-1) ?? path;
  let size: number;
  try {
    ({ size } = files.statSync(path));
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new GemmaError('io', `the file ${path} can't be read: ${why}; check the path`, { path, why });
  }
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const file = await files.promises.open(path);
    try {
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    } finally {
      await file.close();
    }
  };
  return { size, name, read };
}
