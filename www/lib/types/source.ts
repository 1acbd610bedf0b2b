// Model sources: the public types of everything that a model can be loaded from.

/** A file on a server, with the headers, the token and the checksum that go with it. */
export interface RemoteFile {
  /** The same as an address given alone: relative to the page, or `hf:owner/repository/file.gguf[@revision]`. */
  readonly url: string | URL;
  /** Headers sent with every request for the file; stored nowhere. */
  readonly headers?: HeadersInit | undefined;
  /** A Hugging Face access token; sent to Hugging Face only, and stored nowhere. */
  readonly token?: string | undefined;
  /** The SHA-256 of the whole file, in 64 hexadecimal digits. A model does not become ready unless its file matches. */
  readonly sha256?: string | undefined;
}

/** Bytes that the page itself provides. */
export interface ByteSource {
  /** Bytes of the whole file. */
  readonly size: number;
  /** A name for the file in messages. */
  readonly name?: string | undefined;
  /** Returns the `length` bytes from `offset` on, which always lie within `size`. `signal` is aborted once they are no longer wanted. */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array> | Uint8Array;
}

/**
 * A source to load a model from: the address of a `.gguf` file, or its path in Node.js; a `RemoteFile` or a `Request`; a `File` or `Blob`,
 * which is read in place; a stream, which is read once; or a {@link ByteSource}. For a model in several files (`-00001-of-00003.gguf`), give
 * an array of addresses or files in order; on a server, the address of the first file is enough.
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
