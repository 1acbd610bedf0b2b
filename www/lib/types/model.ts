// The public types of a model: its properties, its GPU and its memory. Sizes are in bytes, times in milliseconds, rates in tokens per second.

import type { CacheOutcome } from './cache.js';

/**
 * Variants of the kernels: the arithmetic of products (`int8`: activations rounded to eight bits, as in llama.cpp; `f32`: exact), and the
 * number of GPU lanes that share the rows of a matrix.
 */
export type Tuning = 'f32/1' | 'f32/32' | 'int8/1' | 'int8/32';

/** The variants of the kernels that run. */
export interface Variants {
  readonly arithmetic: 'int8' | 'f32';
  /** GPU lanes that share the rows of a matrix. */
  readonly lanes: 1 | 32;
  /** Whether sums use subgroups. */
  readonly subgroups: boolean;
  /** Precision of the key/value cache. */
  readonly kv: 'f16' | 'f32';
  /** Every kernel that the model uses, with its variant: `"matmul_int8 Q4_0"`. */
  readonly kernels: readonly string[];
  /**
   * Variants that self-tests found wrong on this adapter, with any model; others run in their place. `error`: the largest distance from the
   * right results, as a part of the largest of them; infinite if a result was no number.
   */
  readonly replaced: readonly { readonly kernel: string; readonly variant: string; readonly error: number }[];
  /** Kernels that this load compared with the CPU (`tested`) and the milliseconds it took; `known` ones had passed before. */
  readonly selfTest: { readonly tested: number; readonly known: number; readonly ms: number };
}

/** Properties of a loaded model. */
export interface ModelInfo {
  /** Hyper-parameters from the file. */
  readonly config: ModelConfig;
  /** Tokens that the key/value cache holds; the model itself may allow more. */
  readonly contextLength: number;
  /** Whether the model was tuned to answer in turns. A base model (`false`) continues a text. */
  readonly chat: boolean;
  /** The mixture of block formats, as file names end in it: `Q4_K_M`. */
  readonly quantisation: string;
  /** Block formats of the weights by their ggml names, with the bytes that each takes in the file, largest first. */
  readonly formats: readonly (readonly [name: string, bytes: number])[];
  /** The GPU that the model runs on. */
  readonly adapter: AdapterInfo;
  /** GPU memory that the model holds. */
  readonly gpuBytes: GpuBytes;
  /** Variants of the kernels that run. */
  readonly tuning: Tuning;
  /** The variants in detail, with the findings of self-tests on this adapter. */
  readonly variants: Variants;
  /** Values of the generation options that are not given: those of the model card. */
  readonly defaults: GenerateDefaults;
  /** Whether the model is kept for the next time. */
  readonly cache: CacheOutcome;
}

/** Default values of sampling options. */
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

/** Result of {@link inspect}. */
export interface Inspection {
  /** Hyper-parameters from the file. */
  readonly config: ModelConfig;
  /** The mixture of block formats, as file names end in it: `Q4_K_M`. */
  readonly quantisation: string;
  /** Block formats of the weights by their ggml names, with the bytes that each takes in the file, largest first. */
  readonly formats: readonly (readonly [name: string, bytes: number])[];
  /** Bytes of the file; null if the server does not say. */
  readonly fileBytes: number | null;
  /** GPU memory that the model would take, and whether it fits. */
  readonly memory: MemoryPlan;
  /** Bytes that this origin may store and bytes that it already stores, for comparison with `fileBytes`; null if unknown. */
  readonly storage: { readonly quota: number; readonly usage: number } | null;
  /** The adapter that the plan is for; null if there is none, and the plan is for WebGPU's default limits. */
  readonly adapter: AdapterInfo | null;
}

/** GPU memory in bytes, exactly as loading would allocate it. */
export interface MemoryPlan {
  /** Positions that the plan is for. */
  readonly contextLength: number;
  /** Each tensor in its planes, with padding, largest first. */
  readonly tensors: readonly (readonly [name: string, bytes: number])[];
  readonly weights: number;
  readonly kv: number;
  readonly scratch: number;
  readonly total: number;
  /** Whether the adapter's limits allow it. WebGPU does not tell how much memory there is. */
  readonly verdict:
    | { readonly kind: 'fits' }
    | { readonly kind: 'fits_with_context'; readonly maxContextLength: number }
    | { readonly kind: 'does_not_fit'; readonly what: string; readonly needs: number; readonly offers: number };
}

/** Hyper-parameters of a model. */
export interface ModelConfig {
  readonly architecture: 'gemma' | 'gemma2' | 'gemma3';
  /** The name in the file; empty if it has none. */
  readonly name: string;
  readonly nLayers: number;
  readonly dModel: number;
  readonly nHeads: number;
  readonly nKvHeads: number;
  readonly headDim: number;
  readonly dFf: number;
  readonly nVocab: number;
  /** Context that the model was trained for, in tokens. */
  readonly contextLength: number;
  /** Tokens that a local layer attends to; null if every layer is global. */
  readonly window: number | null;
}

/** A GPU, as far as the browser identifies it. */
export interface AdapterInfo {
  /** May be empty, since browsers hide it. */
  readonly name: string;
  readonly backend: string;
  readonly driver: string;
  readonly maxBindingBytes: number;
  readonly maxBufferBytes: number;
  /** Storage buffers a kernel may bind. */
  readonly maxStorageBuffers: number;
  /** Whether sums use subgroups. */
  readonly subgroups: boolean;
}

/** GPU memory by kind, in bytes. */
export interface GpuBytes {
  readonly weights: number;
  readonly kv: number;
  /** Activations, parameters, tables, staging. */
  readonly scratch: number;
  /** Key/value caches of sessions that wait for their turn. */
  readonly sessions: number;
}

/** Live GPU buffers of a model by kind, in bytes. */
export interface GpuMemory extends GpuBytes {
  /** The sum. */
  readonly total: number;
}

/** Counters since the model was last loaded. They do not depend on the speed of the machine. */
export interface ModelStats {
  /** Size of the WebAssembly memory, which never shrinks: also its peak. */
  readonly wasmBytes: number;
  /** Time from the file's header to a ready tokenizer. */
  readonly tokenizerMs: number;
  /** Time that loading spent waiting for bytes of the file, from any source. */
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
