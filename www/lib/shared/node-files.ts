// Files by their paths, in Node.js and runtimes like it.

import type { ModelSource } from '../types/source.js';
import { GemmaError } from './errors.js';
import type { ReadableFile } from './protocol.js';
import { messageOf } from './shown.js';

/** Node's `fs`, as far as it is used here. */
interface NodeFs {
  statSync(path: string): { readonly size: number };
  readonly promises: { open(path: string): Promise<NodeFileHandle>; readFile(path: string | URL): Promise<Uint8Array<ArrayBuffer>> };
}

interface NodeFileHandle {
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  close(): Promise<void>;
}

/** A module of Node.js, undefined elsewhere; requested in a way that no bundler follows. */
function nodeModule(name: string): unknown {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  return typeof document === 'undefined' ? process?.getBuiltinModule?.(name) : undefined;
}

/** Bytes of the file at a `file:` address; undefined if files cannot be read here. */
export async function readFile(url: URL): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const fs = url.protocol === 'file:' ? (nodeModule('node:fs') as NodeFs | undefined) : undefined;
  return fs?.promises.readFile(url);
}

/** The files of a source that is one or several paths or `file:` addresses; undefined for any other source, and outside Node.js. */
export function nodeFiles(source: ModelSource): ReadableFile[] | undefined {
  const fs = nodeModule('node:fs') as NodeFs | undefined;
  if (!fs) return undefined;
  const paths = (Array.isArray(source) ? (source as readonly unknown[]) : [source]).map(pathOf);
  if (paths.length === 0 || !paths.every((path) => path !== undefined)) return undefined;
  const [first] = paths;
  return (paths.length === 1 && first !== undefined ? shards(first) : paths).map((path) => nodeFile(fs, path));
}

function pathOf(source: unknown): string | undefined {
  const text = source instanceof URL ? source.href : source;
  if (typeof text !== 'string' || text === '') return undefined;
  if (text.startsWith('file:')) return (nodeModule('node:url') as { fileURLToPath(url: string): string }).fileURLToPath(text);
  // A drive of Windows has one letter; a scheme, and `hf:`, have more.
  return /^[a-z][a-z0-9+.-]+:/i.test(text) ? undefined : text;
}

/** Paths of all the files of a model in several files, from the first one's. */
function shards(first: string): string[] {
  const count = Number(/-00001-of-(\d{5})\.gguf$/i.exec(first)?.[1] ?? 1);
  return Array.from({ length: count }, (_, index) => first.replace(/-00001-of-/i, `-${String(index + 1).padStart(5, '0')}-of-`));
}

function nodeFile(fs: NodeFs, path: string): ReadableFile {
  const name = path.split(/[\\/]/).at(-1) ?? path;
  let size: number;
  try {
    ({ size } = fs.statSync(path));
  } catch (thrown) {
    const why = messageOf(thrown);
    throw new GemmaError('io', `the file ${path} can't be read: ${why}; check the path`, { path, why });
  }
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const file = await fs.promises.open(path);
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
