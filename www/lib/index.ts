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
export { cache, type CacheEntry, type CacheReport, type ModelCache } from './page/cache.js';
export { Gemma } from './page/gemma.js';
export { GemmaError, type GemmaErrorCode } from './shared/errors.js';
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
export { Generation } from './page/generation.js';
export { inspect, loadGemma } from './page/load.js';
export { probe, type Probe, type ProbeOptions } from './page/probe.js';
export { type SavedSession, type SavedSessions, savedSessions } from './page/saved-sessions.js';
export { type SendOptions, Session, type SessionOptions } from './page/session.js';
export type { ByteSource, ModelSource, RemoteFile } from './page/source.js';
export type {
  AdapterInfo,
  CacheOutcome,
  DeviceLoss,
  GenerateDefaults,
  GpuBytes,
  GpuDeviceLike,
  GpuLike,
  GpuMemory,
  Inspection,
  LoadOptions,
  LoadProgress,
  MemoryPlan,
  ModelConfig,
  ModelInfo,
  ModelStats,
  Tuning,
  Variants,
} from './types/model.js';
