// Bytes that don't come from a server: what the page has, served over a port, and how the worker reads it.

import type { ByteSource } from './source.js';

/** What the page serves. */
export type LocalSource =
  | { readonly kind: 'stream'; readonly stream: ReadableStream<Uint8Array> }
  | { readonly kind: 'ranges'; readonly source: ByteSource };

/** The worker asks for a range; the answer is its bytes, fewer where a stream ends. */
interface ReadMessage {
  readonly offset: number;
  readonly length: number;
}

/** What the engine reads: fewer bytes than asked for are the end of the file. */
export interface Part {
  readonly size: number | null;
  readonly name: string;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Answers reads on the port until it is closed. What the page's code throws goes to its own caller; of it only the text is sent. */
export function serveBytes(local: LocalSource, port: MessagePort): { failed: Promise<never>; close(): void } {
  const controller = new AbortController();
  const reader = local.kind === 'stream' ? new StreamReader(local.stream) : undefined;
  let fail: (reason: unknown) => void;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  // It may fail after its load ended otherwise, when nobody listens any more.
  failed.catch(() => undefined);
  const answer = async ({ offset, length }: ReadMessage): Promise<void> => {
    const bytes =
      local.kind === 'stream' ? await reader?.read(offset, length) : await local.source.read(offset, length, controller.signal);
    if (!(bytes instanceof Uint8Array)) throw new TypeError(`source.read gave ${String(bytes)}, expected a Uint8Array`);
    if (local.kind === 'ranges' && bytes.byteLength !== length) {
      throw new RangeError(`source.read gave ${bytes.byteLength} of the ${length} bytes at ${offset}`);
    }
    // Those of `read` are the page's, and may be a small part of a large buffer, all of which cloning would copy.
    const own = local.kind === 'stream' ? bytes : bytes.slice();
    port.postMessage(own, [own.buffer]);
  };
  port.onmessage = ({ data }: MessageEvent<ReadMessage>) => void answer(data).catch((thrown: unknown) => {
    fail(thrown);
    port.postMessage(String(thrown));
  });
  return {
    failed,
    close: () => {
      port.close();
      controller.abort();
      void reader?.cancel();
    },
  };
}

/** Reads a stream by ranges that each start at or after the end of the last, holding one piece of it. */
class StreamReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #piece = new Uint8Array(0);
  #position = 0;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.#position) throw new RangeError(`a stream at byte ${this.#position} was asked for byte ${offset}`);
    await this.#take(offset - this.#position, undefined);
    const bytes = new Uint8Array(length);
    const filled = await this.#take(length, bytes);
    return filled === length ? bytes : bytes.slice(0, filled);
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => undefined);
  }

  /** The next `length` bytes, put into `into` or dropped; how many there were. */
  async #take(length: number, into: Uint8Array | undefined): Promise<number> {
    let taken = 0;
    while (taken < length) {
      if (this.#piece.byteLength === 0) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        if (!(value instanceof Uint8Array)) throw new TypeError(`the stream gave ${String(value)}, expected Uint8Arrays`);
        this.#piece = value as Uint8Array<ArrayBuffer>;
      }
      const part = this.#piece.subarray(0, length - taken);
      into?.set(part, taken);
      this.#piece = this.#piece.subarray(part.byteLength);
      taken += part.byteLength;
    }
    this.#position += taken;
    return taken;
  }
}

/** In the worker: a file, read in place. */
export function blobPart(blob: Blob): Part {
  const name = blob instanceof File ? blob.name : 'the Blob';
  return {
    size: blob.size,
    name,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/** In the worker: what the page serves. One read is under way at a time. */
export function portPart(port: MessagePort, size: number | null, name: string): Part {
  return {
    size,
    name,
    read: (offset, length) =>
      new Promise((resolve, reject) => {
        port.onmessage = ({ data }: MessageEvent<Uint8Array | string>) => (typeof data === 'string' ? reject(new Error(data)) : resolve(data));
        port.postMessage({ offset, length } satisfies ReadMessage);
      }),
  };
}
