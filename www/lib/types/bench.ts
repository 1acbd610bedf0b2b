// The public types of a benchmark. Sizes are in bytes, times in milliseconds, rates in tokens per second; a GB is 10^9 bytes.

import type { ModelInfo, ModelStats } from './model.js';

/** Options of {@link Gemma.bench}. */
export interface BenchOptions {
  /**
   * Definitions to follow. `"llama-bench"` (the default): a prompt of 512 tokens alone, and 128 tokens generated from an empty context.
   * `"litert"`: a prompt of 1024 tokens, and 256 tokens generated after it.
   */
  readonly protocol?: 'llama-bench' | 'litert' | undefined;
  /** Tokens of the prompt in place of the protocol's; 0 skips the test. */
  readonly promptTokens?: number | undefined;
  /** Tokens to generate, not counting the first, in place of the protocol's; 0 skips the test. */
  readonly generatedTokens?: number | undefined;
  /** Runs of each test that count. Default 5. */
  readonly repetitions?: number | undefined;
  /** Runs before them that do not count. Default 2. */
  readonly warmups?: number | undefined;
  /** Depths at which to generate as well: numbers of earlier positions, which hold meaningless tokens. Default: none. */
  readonly depths?: readonly number[] | undefined;
  /** Whether to measure how fast the adapter reads memory. Default true. */
  readonly roofline?: boolean | undefined;
  /** Whether to measure the time of each kernel. Default true. */
  readonly kernels?: boolean | undefined;
  /** For the report: your name for the model. */
  readonly label?: string | undefined;
  /** For the report: the browser and the machine. */
  readonly host?: string | undefined;
  /** For the report: the day. */
  readonly date?: string | undefined;
  /** For the report: the time that loading took. */
  readonly loadMs?: number | undefined;
  /** Called after each step, with the number of steps. */
  readonly onProgress?: ((progress: BenchProgress) => void) | undefined;
  /** Stops the benchmark; the promise then rejects with an `AbortError` DOMException. */
  readonly signal?: AbortSignal | undefined;
}

/** Progress of a benchmark. */
export interface BenchProgress {
  /** The last step, in this order: `gate` is the check of the results, `counts` the work of a token. */
  readonly stage: 'gate' | 'counts' | 'roofline' | 'prompt' | 'generation' | 'depth' | 'kernels';
  readonly done: number;
  readonly total: number;
  /** Speed of the last run; null if the last step was no run. */
  readonly tokensPerSecond: number | null;
}

/** Spread of a figure over the runs that count. */
export interface BenchSpread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The figure of each run, in order. */
  readonly runs: readonly number[];
}

/** Work on the GPU, in counts that do not depend on the speed of the machine. */
export interface WorkCounts {
  readonly dispatches: number;
  readonly passes: number;
  readonly submits: number;
  /** Buffers, bind groups, pipelines and shader modules created. */
  readonly objects: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Speed of computing prompts. */
export interface PromptTest {
  readonly tokens: number;
  /** Speed from the request to the arrival of the first token. */
  readonly tokensPerSecond: BenchSpread;
  readonly firstTokenMs: BenchSpread;
  /** Arithmetic of the products with the layers' matrices, in 10^12 operations per second. */
  readonly teraflops: number;
  /** Work of the last run. */
  readonly counts: WorkCounts;
}

/** Speed of generating. */
export interface GenerationTest {
  readonly tokens: number;
  /** Positions before the first token that counts. */
  readonly depth: number;
  /** Speed from the arrival of the first token to that of the last. */
  readonly tokensPerSecond: BenchSpread;
  /** Weights, keys and values that a token reads. */
  readonly bytesPerToken: number;
  readonly gigabytesPerSecond: number;
  /** Part of the memory bandwidth that this is; null if the bandwidth was not measured. */
  readonly ofRoofline: number | null;
  /** Work of the last run. */
  readonly counts: WorkCounts;
}

/** Check of the results, before anything is timed. */
export interface BenchGate {
  readonly promptTokens: number;
  /** Tokens that the model generates after a fixed prompt: the same in two runs. */
  readonly tokens: readonly number[];
  /** Positions at which prefill of the prompt with those tokens was compared with decoding token by token. */
  readonly compared: number;
  /** Number of them at which the likeliest token is the generated one. */
  readonly same: number;
  /** Largest distance of a generated token's logit from the highest one, in standard deviations of the logits. */
  readonly worstGap: number;
  /** Largest distance that rounding can explain. */
  readonly tolerance: number;
}

/** Time of a step by kernel. */
export interface KernelProfile {
  /** `"timestamps"` around each dispatch, or `"repetition"` of each kernel alone if the adapter has no timestamps. */
  readonly method: 'timestamps' | 'repetition';
  /** Unit of the timestamps in nanoseconds, which browsers make coarse. */
  readonly resolutionNs: number | null;
  readonly kernels: readonly {
    /** Name and variant. */
    readonly kernel: string;
    /** Dispatches in a step. */
    readonly calls: number;
    /** Microseconds of all of them. */
    readonly us: number;
    /** Bytes of the matrices they read once each. */
    readonly matrixBytes: number;
  }[];
}

/** Time of a token and of a prompt by kernel. */
export interface BenchKernels {
  /** Profile of a token at position `decodePosition`. */
  readonly decode: KernelProfile;
  readonly decodePosition: number;
  /** Profile of a prompt's first `promptTokens` tokens. */
  readonly prompt: KernelProfile;
  readonly promptTokens: number;
}

/** Result of {@link Gemma.bench}: a plain object. */
export interface BenchReport {
  /** Version of this package. */
  readonly version: string;
  readonly date: string | null;
  readonly host: string | null;
  readonly label: string | null;
  readonly loadMs: number | null;
  /** Features of the device beyond WebGPU's core. */
  readonly features: readonly string[];
  readonly file: { readonly name: string; readonly bytes: number | null; readonly weightBytesPerToken: number };
  readonly model: ModelInfo;
  readonly protocol: 'llama-bench' | 'litert';
  readonly repetitions: number;
  readonly warmups: number;
  readonly gate: BenchGate;
  /** Time to the first token of the very first prompt. */
  readonly coldFirstTokenMs: number;
  /** Memory bandwidth of the adapter: the best of `runs`. */
  readonly roofline: { readonly bytes: number; readonly gigabytesPerSecond: number; readonly runs: readonly number[] } | null;
  readonly prompt: PromptTest | null;
  readonly generation: GenerationTest | null;
  /** Work of one decoded token. */
  readonly perToken: WorkCounts | null;
  readonly depths: readonly GenerationTest[];
  readonly kernels: BenchKernels | null;
  readonly stats: ModelStats;
}
