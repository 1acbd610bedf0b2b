/**
 * Google's Gemma from GGUF files, on the GPU of the browser.
 *
 * ```js
 * const model = await loadGemma('/models/gemma.gguf', { onProgress: console.log });
 * const { text } = await model.generate('The capital of France is', { maxTokens: 16, temperature: 0 });
 * ```
 *
 * @packageDocumentation
 */

export { cache } from './page/cache.js';
export { Gemma } from './page/gemma.js';
export { Generation } from './page/generation.js';
export { inspect, loadGemma } from './page/load.js';
export { probe, type Probe, type ProbeOptions } from './page/probe.js';
export { type SavedSession, type SavedSessions, savedSessions } from './page/saved-sessions.js';
export { type SendOptions, Session, type SessionOptions } from './page/session.js';
export { GemmaError, type GemmaErrorCode } from './shared/errors.js';
export type {
  BenchGate,
  BenchKernels,
  BenchOptions,
  BenchProgress,
  BenchReport,
  BenchSpread,
  GenerationTest,
  KernelProfile,
  PromptTest,
  WorkCounts,
} from './types/bench.js';
export type { CacheEntry, CacheOutcome, CacheReport, ModelCache } from './types/cache.js';
export type {
  ChatTemplate,
  FinishReason,
  GenerateOptions,
  GenerateResult,
  GenerateTimings,
  Message,
  Overflow,
  PrefillProgress,
  Prompt,
  Score,
  TokenLogprob,
  TokenPiece,
  TokenUsage,
  TopLogprob,
} from './types/generate.js';
export type { DeviceLoss, GpuDeviceLike, GpuLike, LoadOptions, LoadProgress } from './types/load.js';
export type {
  AdapterInfo,
  GenerateDefaults,
  GpuBytes,
  GpuMemory,
  Inspection,
  MemoryPlan,
  ModelConfig,
  ModelInfo,
  ModelStats,
  Tuning,
  Variants,
} from './types/model.js';
export type { ByteSource, ModelSource, RemoteFile } from './types/source.js';
