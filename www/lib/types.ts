// The public shapes. Sizes are in bytes, times in milliseconds, rates in tokens per second.

import type { ChatTemplate } from './generate.js';

/** Where loading stands. Phases come in the order `waiting` (for another tab that loads the same model), `header`, `weights`, `ready`. */
export interface LoadProgress {
  readonly phase: 'waiting' | 'header' | 'weights' | 'ready';
  /** Bytes of the file, or of all its parts, that arrived so far; never fewer than before. */
  readonly loaded: number;
  /** Bytes of the whole file; null while unknown, and where the server does not say. */
  readonly total: number | null;
  /** Bytes of `loaded` that came from the cache. */
  readonly cached: number;
  /** Of the last seconds; 0 at first. */
  readonly bytesPerSecond: number;
  /** Time left at that speed; null where it can't be said. */
  readonly etaSeconds: number | null;
  /** Why nothing arrives: there is no network, or a request failed and is repeated. */
  readonly paused: 'offline' | 'retrying' | null;
}

/** Whether a model is kept for the next time: under which ids in {@link cache}, one for each part, or why not. */
export type CacheOutcome =
  | { readonly stored: true; readonly ids: readonly string[] }
  | { readonly stored: false; readonly why: string };

/** Options of {@link loadGemma}. */
export interface LoadOptions {
  /** Stops the download and the GPU work; the promise then rejects with an `AbortError` DOMException. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called at most about ten times a second, at least once a second, and for each change of phase; again where the model wakes from
   * {@link Gemma.sleep} or its device was lost.
   */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /**
   * Whether what comes from a server is kept in this origin's private files, and taken from there. Default true; where the browser
   * can't, `info.cache` says why.
   */
  readonly cache?: boolean | undefined;
  /** Tokens the key/value cache holds: prompt and answer together. Default: what the model was trained for, at most 4096. */
  readonly contextLength?: number | undefined;
  /** Tokens a prompt is computed in at a time, at most: fewer where they would take the GPU too long. Default 256. */
  readonly prefillChunk?: number | undefined;
  /** Precision of the key/value cache. Default `"f16"`; `"f32"` doubles its size and is exact. */
  readonly kv?: 'f16' | 'f32' | undefined;
  /** Variants of the kernels. Default: the fastest on this adapter, by a short measurement at the first load. */
  readonly tuning?: Tuning | undefined;
  /**
   * Whether kernels are compared with the same computations on the CPU before the model is used: all of them (`"full"`), those that have not
   * passed before on the same adapter and browser (`"fast"`, the default), or none (`"off"`). A variant that is wrong is replaced by
   * another one, see `info.variants`; where none is right, loading fails with `self_test_failed`.
   */
  readonly selfTest?: 'full' | 'fast' | 'off' | undefined;
  /**
   * Called where the GPU's device was lost (a driver that starts anew, a computer that slept) and the model is about to be loaded again, from
   * the cache or its source. What is under way goes on by itself, with the same tokens; sessions go on too.
   */
  readonly onDeviceLost?: ((loss: DeviceLoss) => void) | undefined;
  /**
   * Milliseconds without a request after which the model frees all GPU memory, as {@link Gemma.sleep} does. The next request wakes it.
   * Default: never; nor where the source is a stream, which can't be read again.
   */
  readonly idleTimeout?: number | undefined;
  /** The turn format in place of the model's own, for fine-tuned models that were trained on another one. */
  readonly template?: ChatTemplate | undefined;
  /**
   * Whether the engine runs in a worker of its own, so that the page stays responsive. Default: true where there are workers (in Node
   * there are none of this kind), and false with `gpu` or `device`. Without a worker nothing is kept for the next time.
   */
  readonly worker?: boolean | undefined;
  /** A WebGPU implementation in place of `navigator.gpu`: of npm's `webgpu` in Node, say. Runs without a worker. */
  readonly gpu?: GpuLike | undefined;
  /**
   * A device of the caller's own to run on, as it is: with its limits and features. Runs without a worker. The caller destroys it, after the
   * model was disposed, which destroys no more than the model's own buffers.
   */
  readonly device?: GpuDeviceLike | undefined;
}

/** What {@link LoadOptions.onDeviceLost} hears. */
export interface DeviceLoss {
  /** What the platform said. */
  readonly why: string;
  /** Which loss within a minute it is: after the third the call rejects with `device_lost`, and the next one tries anew. */
  readonly attempt: number;
}

/** What is used of a `GPU`: `navigator.gpu`, or that of another implementation of WebGPU. */
export interface GpuLike {
  requestAdapter(options?: object): Promise<object | null>;
}

/** What is used of a `GPUDevice`, as far as types go. */
export interface GpuDeviceLike {
  readonly limits: object;
  readonly features: { has(name: string): boolean };
  readonly queue: object;
  readonly lost: Promise<object>;
  createBuffer(descriptor: never): object;
}

/**
 * Variants of the kernels: the arithmetic of products (`int8`: activations rounded to eight bits, as llama.cpp's; `f32`: exact),
 * and how many lanes of the GPU share the rows of a matrix.
 */
export type Tuning = 'f32/1' | 'f32/32' | 'int8/1' | 'int8/32';

/** Which variants of the kernels run. */
export interface Variants {
  readonly arithmetic: 'int8' | 'f32';
  /** Lanes of the GPU that share rows of a matrix. */
  readonly lanes: 1 | 32;
  /** Whether sums are taken by subgroups. */
  readonly subgroups: boolean;
  /** Precision of the key/value cache. */
  readonly kv: 'f16' | 'f32';
  /** Every kernel that the model takes, with its variant: `"matmul_int8 Q4_0"`. */
  readonly kernels: readonly string[];
  /**
   * What self-tests found wrong on this adapter, with any model: others run instead. `error`: the largest distance from the right results, as
   * a part of the largest of them; infinite where it is no number.
   */
  readonly replaced: readonly { readonly kernel: string; readonly variant: string; readonly error: number }[];
  /** What this load compared with the CPU: so many kernels, in so many milliseconds; `known` ones had passed before. */
  readonly selfTest: { readonly tested: number; readonly known: number; readonly ms: number };
}

/** What is known about a loaded model. */
export interface ModelInfo {
  /** Hyper-parameters, as the file has them. */
  readonly config: ModelConfig;
  /** Tokens the key/value cache holds; the model itself may know more. */
  readonly contextLength: number;
  /** Whether the model was tuned to answer in turns. Base models (`false`) continue a text. */
  readonly chat: boolean;
  /** The mixture of block formats by the name that files end in: `Q4_K_M`. */
  readonly quantisation: string;
  /** Block formats of the weights, as ggml writes them, with the bytes each takes in the file, largest first. */
  readonly formats: readonly (readonly [name: string, bytes: number])[];
  /** The GPU it runs on. */
  readonly adapter: AdapterInfo;
  /** GPU memory held. */
  readonly gpuBytes: GpuBytes;
  /** Which variants of the kernels run. */
  readonly tuning: Tuning;
  /** The same and more, with what self-tests found on this adapter. */
  readonly variants: Variants;
  /** What is taken for options of a generation that are not given: the model card's. */
  readonly defaults: GenerateDefaults;
  /** Whether the model is kept for the next time. */
  readonly cache: CacheOutcome;
}

/** Sampling options where the caller gives none. */
export interface GenerateDefaults {
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
}

/** What `inspect` finds. */
export interface Inspection {
  /** Hyper-parameters, as the file has them. */
  readonly config: ModelConfig;
  /** The mixture of block formats by the name that files end in: `Q4_K_M`. */
  readonly quantisation: string;
  /** Block formats of the weights, as ggml writes them, with the bytes each takes in the file, largest first. */
  readonly formats: readonly (readonly [name: string, bytes: number])[];
  /** Bytes of the file; `null` where the server does not say. */
  readonly fileBytes: number | null;
  /** GPU memory that it would take, and whether it fits. */
  readonly memory: MemoryPlan;
  /** Bytes that this origin may store and that it already does, for comparison with `fileBytes`; `null` where unknown. */
  readonly storage: { readonly quota: number; readonly usage: number } | null;
  /** The adapter the plan is for; `null`: there is none, and the plan is for WebGPU's default limits. */
  readonly adapter: AdapterInfo | null;
}

/** GPU memory in bytes, exactly as loading would allocate it. */
export interface MemoryPlan {
  /** Positions the plan is for. */
  readonly contextLength: number;
  /** Each tensor in its planes, with padding, largest first. */
  readonly tensors: readonly (readonly [name: string, bytes: number])[];
  readonly weights: number;
  readonly kv: number;
  readonly scratch: number;
  readonly total: number;
  /** Whether the adapter's limits allow it. WebGPU does not say how much memory there is. */
  readonly verdict:
    | { readonly kind: 'fits' }
    | { readonly kind: 'fits_with_context'; readonly maxContextLength: number }
    | { readonly kind: 'does_not_fit'; readonly what: string; readonly needs: number; readonly offers: number };
}

/** Hyper-parameters of a model. */
export interface ModelConfig {
  readonly architecture: 'gemma' | 'gemma2' | 'gemma3';
  /** The name in the file; empty where it has none. */
  readonly name: string;
  readonly nLayers: number;
  readonly dModel: number;
  readonly nHeads: number;
  readonly nKvHeads: number;
  readonly headDim: number;
  readonly dFf: number;
  readonly nVocab: number;
  /** Tokens the model was trained for. */
  readonly contextLength: number;
  /** Tokens a local layer sees; null where every layer is global. */
  readonly window: number | null;
}

/** A GPU, as far as the browser tells. */
export interface AdapterInfo {
  /** May be empty: browsers hide it. */
  readonly name: string;
  readonly backend: string;
  readonly driver: string;
  readonly maxBindingBytes: number;
  readonly maxBufferBytes: number;
  /** Storage buffers a kernel may bind. */
  readonly maxStorageBuffers: number;
  /** Whether sums are taken by subgroups. */
  readonly subgroups: boolean;
}

/** GPU memory by kind, in bytes. */
export interface GpuBytes {
  readonly weights: number;
  readonly kv: number;
  /** Activations, parameters, tables, staging. */
  readonly scratch: number;
  /** Conversations that wait for their turn: what was computed of each. */
  readonly sessions: number;
}

/** Live GPU buffers of a model by kind, in bytes. */
export interface GpuMemory extends GpuBytes {
  /** The sum. */
  readonly total: number;
}

/** Counters since the model was loaded, or last loaded again. Counts don't depend on the speed of the machine. */
export interface ModelStats {
  /** Size of the WebAssembly memory. It never shrinks, so this is also its peak. */
  readonly wasmBytes: number;
  /** Time from the file's header to a ready tokenizer. */
  readonly tokenizerMs: number;
  /** Time that loading spent waiting for bytes of the file: from the network, the cache or wherever. */
  readonly readMs: number;
  readonly gpuBytes: GpuBytes;
  readonly dispatches: number;
  readonly passes: number;
  readonly submits: number;
  /** Buffers, bind groups, pipelines and shader modules created. */
  readonly objects: number;
  /** Bytes read back from the GPU. */
  readonly bytesRead: number;
  /** Bytes written to the GPU. */
  readonly bytesWritten: number;
}
