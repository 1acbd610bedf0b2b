// The public types of loading. Sizes are in bytes, times in milliseconds unless a name says otherwise.

import type { ChatTemplate } from './generate.js';
import type { Tuning } from './model.js';

/** Progress of a load. Phases come in the order `waiting` (for another tab that loads the same model), `header`, `weights`, `ready`. */
export interface LoadProgress {
  readonly phase: 'waiting' | 'header' | 'weights' | 'ready';
  /** Bytes of the model's file or files that have arrived so far; never fewer than before. */
  readonly loaded: number;
  /** Bytes of the whole model; null while unknown, and if the server does not say. */
  readonly total: number | null;
  /** Bytes of `loaded` that came from the cache. */
  readonly cached: number;
  /** Speed over the last seconds; 0 at first. */
  readonly bytesPerSecond: number;
  /** Time left at that speed; null if unknown. */
  readonly etaSeconds: number | null;
  /** Why nothing arrives at the moment: there is no network, or a request failed and is being retried. */
  readonly paused: 'offline' | 'retrying' | null;
}

/** Options of {@link loadGemma}. */
export interface LoadOptions {
  /** Stops the download and the GPU work; the promise then rejects with an `AbortError` DOMException. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called at most about ten times a second, at least once a second, and for each change of phase; also when the model wakes from
   * {@link Gemma.sleep} or is loaded again after its device was lost.
   */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /**
   * Whether files from a server are stored in this origin's private file system and read from there next time. Default true; if the
   * browser cannot store them, `info.cache` says why.
   */
  readonly cache?: boolean | undefined;
  /** Tokens that the key/value cache holds, prompt and answer together. Default: the context the model was trained for, at most 4096. */
  readonly contextLength?: number | undefined;
  /** Tokens of a prompt that are computed at a time, at most: fewer if they would take the GPU too long. Default 256. */
  readonly prefillChunk?: number | undefined;
  /** Precision of the key/value cache. Default `"f16"`; `"f32"` doubles its size and is exact. */
  readonly kv?: 'f16' | 'f32' | undefined;
  /** Variants of the kernels. Default: the fastest on this adapter, which the first load measures briefly. */
  readonly tuning?: Tuning | undefined;
  /**
   * Whether kernels are compared with the same computations on the CPU before the model is used: all of them (`"full"`), those that have not
   * passed before on the same adapter and browser (`"fast"`, the default), or none (`"off"`). Another variant replaces one that is wrong,
   * see `info.variants`; if none is right, loading fails with `self_test_failed`.
   */
  readonly selfTest?: 'full' | 'fast' | 'off' | undefined;
  /**
   * Called when the GPU device was lost (the driver restarted, the computer slept) and the model is about to be loaded again, from the cache
   * or its source. Calls under way continue by themselves, with the same tokens, and so do sessions.
   */
  readonly onDeviceLost?: ((loss: DeviceLoss) => void) | undefined;
  /**
   * Milliseconds without a request after which the model frees all GPU memory, as {@link Gemma.sleep} does. The next request wakes it.
   * Default: never. A model from a stream, which cannot be read again, never sleeps.
   */
  readonly idleTimeout?: number | undefined;
  /** The turn format in place of the model's own, for fine-tuned models that were trained on another one. */
  readonly template?: ChatTemplate | undefined;
  /**
   * Whether the engine runs in a worker of its own, so that the page stays responsive. Default: true if there are web workers (Node.js has
   * none), and false with `gpu` or `device`. Without a worker nothing is stored for the next time.
   */
  readonly worker?: boolean | undefined;
  /** A WebGPU implementation in place of `navigator.gpu`, such as npm's `webgpu` in Node.js. The engine then runs without a worker. */
  readonly gpu?: GpuLike | undefined;
  /**
   * A device of your own to run on, with the limits and features that it has. The engine then runs without a worker. Disposing the model
   * destroys only the model's own buffers; destroy the device yourself afterwards.
   */
  readonly device?: GpuDeviceLike | undefined;
}

/** A lost GPU device, as {@link LoadOptions.onDeviceLost} reports it. */
export interface DeviceLoss {
  /** The platform's own words. */
  readonly why: string;
  /** Number of this loss within a minute, from 1. After the third one the call rejects with `device_lost`, and the next call tries again. */
  readonly attempt: number;
}

/** A WebGPU implementation: `navigator.gpu` or another one. Only this method is used. */
export interface GpuLike {
  requestAdapter(options?: object): Promise<object | null>;
}

/** A `GPUDevice`, with the properties by which the types recognise one. */
export interface GpuDeviceLike {
  readonly limits: object;
  readonly features: { has(name: string): boolean };
  readonly queue: object;
  readonly lost: Promise<object>;
  createBuffer(descriptor: never): object;
}
