// Whether models run here at all, before anything is downloaded.

import type { AdapterInfo, GpuLike } from './types.js';

/** What `probe` finds. */
export interface Probe {
  /**
   * `"ok"`: models run here. `"slow"`: they do, on a processor that stands in for a GPU. `"unavailable"`: they don't.
   */
  readonly verdict: 'ok' | 'slow' | 'unavailable';
  /** Why, in plain words, and what can be done about it. */
  readonly why: string;
  /** The GPU; null where there is none. */
  readonly adapter: AdapterInfo | null;
  /** Whether the GPU is a program. */
  readonly software: boolean;
  readonly shaderF16: boolean;
  readonly subgroups: boolean;
  /** What the GPU allows: the largest binding and the largest buffer, in bytes; null without one. */
  readonly limits: { readonly maxBindingBytes: number; readonly maxBufferBytes: number } | null;
  /** What this origin may store and whether models can be kept (`files`); null where the browser doesn't say. */
  readonly storage: {
    readonly quota: number;
    readonly usage: number;
    /** Whether the browser promised not to clear it. */
    readonly persisted: boolean;
    readonly files: boolean;
  } | null;
}

/** Options of {@link probe}. */
export interface ProbeOptions {
  /** A WebGPU implementation in place of `navigator.gpu`. */
  readonly gpu?: GpuLike | undefined;
}

/** Looks at this device and browser; loads nothing, and never rejects. */
export declare function probe(options?: ProbeOptions): Promise<Probe>;
