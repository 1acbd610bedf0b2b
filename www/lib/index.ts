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
} from './bench.js';
export { cache, type CacheEntry, type CacheReport, type ModelCache } from './cache.js';
export { Gemma } from './client.js';
export { GemmaError, type GemmaErrorCode } from './errors.js';
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
} from './generate.js';
export { Generation } from './generation.js';
export { inspect, loadGemma } from './load.js';
export { probe, type Probe, type ProbeOptions } from './probe.js';
export { type SavedSession, type SavedSessions, savedSessions } from './saved.js';
export { type SendOptions, Session, type SessionOptions } from './session.js';
export type { ByteSource, ModelSource, RemoteFile } from './sources.js';
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
} from './types.js';
