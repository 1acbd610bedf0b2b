// Model sources as the caller gives them: recognised, checked, and brought into the form that crosses to the engine.

import type { SentFile, SentSource } from '../shared/protocol.js';
import type { GemmaError } from '../shared/errors.js';
import type { ByteSource, ModelSource, RemoteFile } from '../types/source.js';
import { type LocalSource, serveBytes } from './byte-server.js';
import { invalidOption } from './validate.js';

/** A source ready to be sent. */
export interface PreparedSource {
  readonly sent: SentSource;
  readonly transfer: readonly Transferable[];
  /** Rejects with the value that the page's own source threw; never resolves. */
  readonly failed: Promise<never> | undefined;
  /** Ends the serving of its bytes. */
  close(): void;
}

/**
 * Prepares a source.
 *
 * @throws {GemmaError} `invalid_option` if it is none.
 */
export function prepareSource(source: ModelSource): PreparedSource {
  const files = remoteFiles(source);
  if (files) return unserved({ kind: 'files', files: files.map(toSent) });
  const blobs = Array.isArray(source) ? (source as readonly unknown[]) : [source];
  if (blobs.length > 0 && blobs.every((blob) => blob instanceof Blob)) return unserved({ kind: 'blobs', blobs });
  if (source instanceof ReadableStream) {
    if (source.locked) throw invalidSource('a stream that somebody else reads');
    return served({ kind: 'stream', stream: source }, null, 'the stream');
  }
  if (isByteSource(source)) return served({ kind: 'ranges', source }, source.size, source.name ?? 'the byte source');
  throw invalidSource(source);
}

/** A source whose bytes the engine gets by itself. */
export const unserved = (sent: SentSource): PreparedSource => ({ sent, transfer: [], failed: undefined, close: () => undefined });

function served(local: LocalSource, size: number | null, name: string): PreparedSource {
  const { port1, port2 } = new MessageChannel();
  const { failed, close } = serveBytes(local, port1);
  return { sent: { kind: 'port', port: port2, size, name }, transfer: [port2], failed, close };
}

/** The files of a source that is one or several addresses; undefined for any other source. */
function remoteFiles(source: ModelSource): RemoteFile[] | undefined {
  const list: readonly unknown[] = Array.isArray(source) ? source : [source];
  const files = list.map((entry) => {
    if (typeof entry === 'string' || entry instanceof URL) return { url: entry };
    const given = entry as Partial<RemoteFile> | null;
    return typeof given === 'object' && given !== null && 'url' in given ? (given as RemoteFile) : undefined;
  });
  return files.length > 0 && files.every((file) => file !== undefined) ? files : undefined;
}

function isByteSource(source: unknown): source is ByteSource {
  if (typeof source !== 'object' || source === null || !('read' in source) || !('size' in source)) return false;
  const { size, read } = source;
  if (typeof read !== 'function') return false;
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return true;
  throw invalidOption('source.size', size, 'a number of bytes', String(size));
}

function toSent({ url, headers, token, sha256 }: RemoteFile): SentFile {
  return { url: absolute(url), headers: [...new Headers(headers)], token, sha256 };
}

/** Schemes that only the engine resolves: short forms, and synthetic models. */
const ENGINE_SCHEMES = ['hf:', 'synthetic:'];

function absolute(url: string | URL): string {
  if (typeof url === 'string' && ENGINE_SCHEMES.some((prefix) => url.startsWith(prefix))) return url;
  try {
    // A worker's own address is that of its script, so relative addresses have to be resolved here.
    return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;
  } catch {
    throw invalidSource(String(url));
  }
}

function invalidSource(source: unknown): GemmaError {
  const expected = 'the address of a .gguf file, an array of them, a File or Blob, a ReadableStream, or an object { size, read }';
  // Errors show addresses without query and password, and only the kind of an object, which may hold a token.
  const found = typeof source === 'string' ? source.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//') : Object.prototype.toString.call(source);
  return invalidOption('source', found, expected, found);
}

