// What a model may be loaded from, and the form in which it crosses to the worker.

import { type LocalSource, type Part, serveBytes } from './byte-server.js';
import { GemmaError } from '../shared/errors.js';

/** A file on a server, with what the server or the file needs. */
export interface RemoteFile {
  /** As where an address is given alone: relative to the page, or `hf:owner/repository/file.gguf[@revision]`. */
  readonly url: string | URL;
  /** Sent with every request for the file, kept nowhere. */
  readonly headers?: HeadersInit | undefined;
  /** An access token of Hugging Face: is sent there and nowhere else, kept nowhere. */
  readonly token?: string | undefined;
  /** What the whole file's SHA-256 must be, in 64 hexadecimal digits. A model is not ready before it was found to be so. */
  readonly sha256?: string | undefined;
}

/** Bytes that the page itself gets from wherever it has them. */
export interface ByteSource {
  /** Bytes of the whole file. */
  readonly size: number;
  /** What it is called in messages. */
  readonly name?: string | undefined;
  /** The `length` bytes from `offset` on, which always lie within `size`; `signal` is aborted where they are no longer wanted. */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array> | Uint8Array;
}

/**
 * What a model is loaded from: the address of a `.gguf` file, or in Node.js its path; a `RemoteFile`, or a `Request`; a `File` or `Blob`, read
 * in place; a stream, which is read once; a source of bytes of the page's own. A model in parts (`-00001-of-00003.gguf`) is an array of
 * addresses or of files in order; of one on a server the first part's address is enough.
 */
export type ModelSource =
  | string
  | URL
  | RemoteFile
  | Blob
  | ReadableStream<Uint8Array>
  | ByteSource
  | readonly (string | URL | RemoteFile)[]
  | readonly Blob[];

/** A file on a server as it crosses to the worker: absolute, the headers as pairs. */
export interface SentFile {
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly token?: string | undefined;
  readonly sha256?: string | undefined;
}

/** A source as it crosses to the worker. */
export type SentSource =
  | { readonly kind: 'files'; readonly files: readonly SentFile[] }
  | { readonly kind: 'blobs'; readonly blobs: readonly Blob[] }
  /** Only where the engine is in the same thread: functions can't be sent. */
  | { readonly kind: 'parts'; readonly parts: readonly Part[] }
  /** The page answers reads on the port. */
  | { readonly kind: 'port'; readonly port: MessagePort; readonly size: number | null; readonly name: string };

/** Whether it can be read only once, as a stream. */
export const isOnce = (sent: SentSource): boolean => sent.kind === 'port' && sent.size === null;

/** A source made ready to be sent, and what is to be done when it is no longer wanted. */
export interface Prepared {
  readonly sent: SentSource;
  readonly transfer: readonly Transferable[];
  /** Whether its bytes come from a server, so that keeping them makes sense. */
  readonly remote: boolean;
  /** Rejects with what the page's own source threw; never resolves. */
  readonly failed: Promise<never> | undefined;
  close(): void;
}

/** Tells sources apart and checks them. */
export function prepare(source: ModelSource): Prepared {
  const files = remoteFiles(source);
  if (files) return plain({ kind: 'files', files: files.map(toSent) }, true);
  const blobs = Array.isArray(source) ? (source as readonly unknown[]) : [source];
  if (blobs.length > 0 && blobs.every((blob) => blob instanceof Blob)) return plain({ kind: 'blobs', blobs }, false);
  if (source instanceof ReadableStream) {
    if (source.locked) throw invalid('a stream that somebody else reads');
    return served({ kind: 'stream', stream: source }, null, 'the stream');
  }
  if (isByteSource(source)) return served({ kind: 'ranges', source }, source.size, source.name ?? 'the byte source');
  throw invalid(source);
}

const plain = (sent: SentSource, remote: boolean): Prepared => ({ sent, transfer: [], remote, failed: undefined, close: () => undefined });

function served(local: LocalSource, size: number | null, name: string): Prepared {
  const { port1, port2 } = new MessageChannel();
  const { failed, close } = serveBytes(local, port1);
  return { sent: { kind: 'port', port: port2, size, name }, transfer: [port2], remote: false, failed, close };
}

/** The files of a source that is one or several addresses; undefined where it is something else. */
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
  throw new GemmaError('invalid_option', `option "source.size" is ${String(size)}, expected a number of bytes`, {
    option: 'source.size',
    found: String(size),
    expected: 'a number of bytes',
  });
}

function toSent({ url, headers, token, sha256 }: RemoteFile): SentFile {
  return { url: absolute(url), headers: [...new Headers(headers)], token, sha256 };
}

/** Names that are no addresses of their own: short forms, and models that are made up. */
const NAMES = ['hf:', 'synthetic:'];

function absolute(url: string | URL): string {
  if (typeof url === 'string' && NAMES.some((prefix) => url.startsWith(prefix))) return url;
  try {
    // The worker's own address is the library's, so relative addresses must be resolved here.
    return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;
  } catch {
    throw invalid(String(url));
  }
}

function invalid(source: unknown): GemmaError {
  const expected = 'the address of a .gguf file, an array of them, a File or Blob, a ReadableStream, or an object { size, read }';
  // Without a query and a password, as addresses are shown everywhere.
  const shown = typeof source === 'string' ? source.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//') : undefined;
  const found = shown ?? Object.prototype.toString.call(source);
  return new GemmaError('invalid_option', `option "source" is ${JSON.stringify(found)}, expected ${expected}`, {
    option: 'source',
    found,
    expected,
  });
}

