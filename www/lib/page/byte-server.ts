// Server of bytes that only the page has: it answers the engine's reads on a port (see `engine/byte-reader.ts`).

import type { PortRead } from '../shared/protocol.js';
import type { ByteSource } from '../types/source.js';

/** A source that the page serves. */
export type LocalSource =
  | { readonly kind: 'stream'; readonly stream: ReadableStream<Uint8Array> }
  | { readonly kind: 'ranges'; readonly source: ByteSource };

/**
 * Answers reads on the port until it is closed. `failed` rejects with the very value that the page's code threw; the engine is sent only its
 * text.
 */
export function serveBytes(local: LocalSource, port: MessagePort): { failed: Promise<never>; close(): void } {
  const controller = new AbortController();
  const reader = local.kind === 'stream' ? new StreamReader(local.stream) : undefined;
  let fail: (reason: unknown) => void;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  // It may reject after the load has ended for another reason, when nothing listens any more.
  failed.catch(() => undefined);
  const answer = async ({ offset, length }: PortRead): Promise<void> => {
    const bytes =
      local.kind === 'stream' ? await reader?.read(offset, length) : await local.source.read(offset, length, controller.signal);
    if (!(bytes instanceof Uint8Array)) throw new TypeError(`source.read gave ${String(bytes)}, expected a Uint8Array`);
    if (local.kind === 'ranges' && bytes.byteLength !== length) {
      throw new RangeError(`source.read gave ${bytes.byteLength} of the ${length} bytes at ${offset}`);
    }
    // The page's own bytes may be a small part of a large buffer, all of which a clone would copy.
    const own = local.kind === 'stream' ? bytes : bytes.slice();
    port.postMessage(own, [own.buffer]);
  };
  port.onmessage = ({ data }: MessageEvent<PortRead>) => void answer(data).catch((thrown: unknown) => {
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

/** Reader of a stream by ranges, each of which starts at or after the end of the last. It holds one piece of the stream. */
class StreamReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #piece = new Uint8Array(0);
  #position = 0;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.#position) throw new RangeError(`a stream at byte ${this.#position} was asked for byte ${offset}`);
    await this.#fill(offset - this.#position, undefined);
    const bytes = new Uint8Array(length);
    const filled = await this.#fill(length, bytes);
    return filled === length ? bytes : bytes.slice(0, filled);
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => undefined);
  }

  /** Puts the next `length` bytes into `into`, or drops them; returns their number. */
  async #fill(length: number, into: Uint8Array | undefined): Promise<number> {
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
