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

export { Gemma, inspect, loadGemma } from './client.js';
export { GemmaError, type GemmaErrorCode } from './errors.js';
export type { Prompt } from './protocol.js';
export type {
  AdapterInfo,
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
