// The model cache: its public types. Sizes are in bytes.

/** Whether a model is kept for the next time: under which ids in {@link cache}, one for each file, or why not. */
export type CacheOutcome =
  | { readonly stored: true; readonly ids: readonly string[] }
  | { readonly stored: false; readonly why: string };

/** A cached file, or the part of it that has arrived. */
export interface CacheEntry {
  /** Identifies the entry in the other calls: the same for the same address. */
  readonly id: string;
  /** Address that the file came from. */
  readonly url: string;
  /** Bytes of the whole file. */
  readonly size: number;
  /** Bytes of it that are stored. */
  readonly stored: number;
  /** Whether the file can be loaded without a network. */
  readonly complete: boolean;
}

/** Result of {@link ModelCache.verify}. */
export interface CacheReport {
  /** Stored chunks of the file that were read: 4 MiB each. */
  readonly chunks: number;
  /** Chunks that no longer match their checksum. They are dropped from the cache, and the next load fetches them again. */
  readonly damaged: readonly number[];
}

/** The models cached in this origin. A call that would change an entry while it is being loaded rejects with code `cache_busy` after some seconds. */
export interface ModelCache {
  /** Lists the entries, sorted by address. */
  list(): Promise<CacheEntry[]>;
  /** Bytes that all entries take together. */
  size(): Promise<number>;
  /** Deletes an entry; resolves to false if there is none with this id. */
  delete(id: string): Promise<boolean>;
  /** Deletes all entries. */
  clear(): Promise<void>;
  /** Reads an entry and compares its chunks with their checksums; fetches nothing. */
  verify(id: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<CacheReport>;
  /** Returns the whole file, to be saved or shared, without copying it into memory. Rejects with code `storage` if it is incomplete. */
  export(id: string): Promise<File>;
}
