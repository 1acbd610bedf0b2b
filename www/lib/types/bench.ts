// The public shapes of a benchmark. Sizes are in bytes, times in milliseconds, rates in tokens per second; a GB is 10^9 bytes.

import type { ModelInfo, ModelStats } from './model.js';

/** Options of {@link Gemma.bench}. */
export interface BenchOptions {
  /**
   * Whose definitions. `"llama-bench"` (the default): a prompt of 512 tokens alone, and 128 tokens generated from an empty
   * context. `"litert"`: a prompt of 1024 tokens, and 256 tokens generated behind it.
   */
  readonly protocol?: 'llama-bench' | 'litert' | undefined;
  /** Tokens of the prompt in place of the protocol's; 0 leaves the test out. */
  readonly promptTokens?: number | undefined;
  /** Tokens generated, the first not counted, in place of the protocol's; 0 leaves the test out. */
  readonly generatedTokens?: number | undefined;
  /** Runs of each test that count. Default 5. */
  readonly repetitions?: number | undefined;
  /** Runs before them that do not. Default 2. */
  readonly warmups?: number | undefined;
  /** Generates behind so many positions too, filled with tokens without a meaning. Default: none. */
  readonly depths?: readonly number[] | undefined;
  /** Whether to measure how fast the adapter reads memory. Default true. */
  readonly roofline?: boolean | undefined;
  /** Whether to measure where the time goes, kernel by kernel. Default true. */
  readonly kernels?: boolean | undefined;
  /** For the report: what you call the model, the browser, the day, and how long loading took. */
  readonly label?: string | undefined;
  readonly host?: string | undefined;
  readonly date?: string | undefined;
  readonly loadMs?: number | undefined;
  /** Called after each step, with how many there are. */
  readonly onProgress?: ((progress: BenchProgress) => void) | undefined;
  /** Stops the benchmark; the promise then rejects with an `AbortError` DOMException. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a benchmark is. */
export interface BenchProgress {
  /** What was done last, in this order: `counts` is the work of a token, `gate` the check of the results. */
  readonly stage: 'gate' | 'counts' | 'roofline' | 'prompt' | 'generation' | 'depth' | 'kernels';
  readonly done: number;
  readonly total: number;
  /** Speed of the run that was done last; null where it was none. */
  readonly tokensPerSecond: number | null;
}

/** Figures of the runs that count. */
export interface BenchSpread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Each, in the order they were run. */
  readonly runs: readonly number[];
}

/** Work on the GPU. Counts don't depend on the speed of the machine. */
export interface WorkCounts {
  readonly dispatches: number;
  readonly passes: number;
  readonly submits: number;
  /** Buffers, bind groups, pipelines and shader modules created. */
  readonly objects: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Speed at computing prompts. */
export interface PromptTest {
  readonly tokens: number;
  /** From the request to the arrival of the first token. */
  readonly tokensPerSecond: BenchSpread;
  readonly firstTokenMs: BenchSpread;
  /** Arithmetic of the products with the layers' matrices, in 10^12 operations per second. */
  readonly teraflops: number;
  /** Of the last run. */
  readonly counts: WorkCounts;
}

/** Speed at generating. */
export interface GenerationTest {
  readonly tokens: number;
  /** Positions before the first token that counts. */
  readonly depth: number;
  /** From the arrival of the first token to that of the last. */
  readonly tokensPerSecond: BenchSpread;
  /** Weights, keys and values that a token reads. */
  readonly bytesPerToken: number;
  readonly gigabytesPerSecond: number;
  /** That as a part of the memory speed; null where it was not measured. */
  readonly ofRoofline: number | null;
  /** Of the last run. */
  readonly counts: WorkCounts;
}

/** What was found right before anything was timed. */
export interface BenchGate {
  readonly promptTokens: number;
  /** What the model generates after a fixed prompt: the same in two runs. */
  readonly tokens: readonly number[];
  /** Positions at which the prompt with those tokens was computed at once, to compare with token by token. */
  readonly compared: number;
  /** At how many of them the likeliest token is the generated one. */
  readonly same: number;
  /** Largest distance of a generated token's logit from the highest, in standard deviations of the logits. */
  readonly worstGap: number;
  /** The distance that rounding may explain. */
  readonly tolerance: number;
}

/** Where the time of a step goes. */
export interface KernelProfile {
  /** `"timestamps"` around each dispatch, or where the adapter has none the `"repetition"` of each kernel alone. */
  readonly method: 'timestamps' | 'repetition';
  /** What timestamps are multiples of, in nanoseconds: browsers make them coarse. */
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

/** Where the time goes. */
export interface BenchKernels {
  /** Of a token at position `decodePosition`. */
  readonly decode: KernelProfile;
  readonly decodePosition: number;
  /** Of a prompt's first `promptTokens` tokens. */
  readonly prompt: KernelProfile;
  readonly promptTokens: number;
}

/** What {@link Gemma.bench} resolves to: a plain object. */
export interface BenchReport {
  /** Version of this package. */
  readonly version: string;
  readonly date: string | null;
  readonly host: string | null;
  readonly label: string | null;
  readonly loadMs: number | null;
  /** What the device was given beyond WebGPU's core. */
  readonly features: readonly string[];
  readonly file: { readonly name: string; readonly bytes: number | null; readonly weightBytesPerToken: number };
  readonly model: ModelInfo;
  readonly protocol: 'llama-bench' | 'litert';
  readonly repetitions: number;
  readonly warmups: number;
  readonly gate: BenchGate;
  /** Time to the first token of the very first prompt. */
  readonly coldFirstTokenMs: number;
  /** How fast the adapter reads memory: the best of `runs`. */
  readonly roofline: { readonly bytes: number; readonly gigabytesPerSecond: number; readonly runs: readonly number[] } | null;
  readonly prompt: PromptTest | null;
  readonly generation: GenerationTest | null;
  /** Work of one decoded token. */
  readonly perToken: WorkCounts | null;
  readonly depths: readonly GenerationTest[];
  readonly kernels: BenchKernels | null;
  readonly stats: ModelStats;
}
