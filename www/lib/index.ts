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
export { Gemma, inspect, loadGemma } from './client.js';
export { GemmaError, type GemmaErrorCode } from './errors.js';
export type { Prompt } from './protocol.js';
export type { ByteSource, ModelSource, RemoteFile } from './sources.js';
export type {
  AdapterInfo,
  CacheOutcome,
  GenerateOptions,
  GenerateResult,
  GenerateTimings,
  GpuBytes,
  Inspection,
  LoadOptions,
  LoadProgress,
  MemoryPlan,
  ModelConfig,
  ModelInfo,
  ModelStats,
  TokenPiece,
  TokenUsage,
  Tuning,
} from './types.js';
