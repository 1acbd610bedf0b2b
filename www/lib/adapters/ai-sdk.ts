/**
 * A language model for the Vercel AI SDK (`ai` 6 and 7), answered by a model in this page.
 *
 * ```js
 * import { streamText } from 'ai';
 * import { loadGemma } from 'gemma-web';
 * import { gemmaLanguageModel } from 'gemma-web/ai-sdk';
 *
 * const model = gemmaLanguageModel(await loadGemma('/models/gemma-it.gguf'));
 * for await (const text of streamText({ model, prompt: 'Hello' }).textStream) console.log(text);
 * ```
 *
 * @packageDocumentation
 */

import type {
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3FinishReason,
  LanguageModelV3GenerateResult,
  LanguageModelV3StreamPart,
  LanguageModelV3StreamResult,
  LanguageModelV3Usage,
} from '@ai-sdk/provider';
import type { Gemma } from '../page/gemma.js';
import { GemmaError } from '../shared/errors.js';
import type { GenerateResult, TokenUsage } from '../types/generate.js';
import type { Generation } from '../page/generation.js';
import { readCall } from './ai-sdk-request.js';

/** Options of {@link gemmaLanguageModel}. */
export interface GemmaLanguageModelOptions {
  /** Name of the model in telemetry and answers. Default: the name in its file, else `gemma`. */
  readonly modelId?: string | undefined;
}

/** Id of the only text part of an answer. */
const TEXT = 'text-1';

/**
 * A language model in version 3 of the AI SDK's specification, for `generateText`, `streamText` and other functions that take one.
 *
 * It supports `maxOutputTokens` (default: as much as the context holds), `temperature`, `topK`, `topP`, `frequencyPenalty`, `presencePenalty`,
 * `seed`, `stopSequences` and `abortSignal`; `providerOptions.gemma` takes `minP`, `repetitionPenalty`, `logitBias` and `overflow` of
 * `model.generate`. Tools and the JSON response format result in a warning, as with other providers of the SDK; files and tool results in the
 * conversation are refused with `invalid_option`. Without a `seed`, a beginning that the conversation shares with the last one is not computed
 * again: see `usage.inputTokens.cacheRead`.
 *
 * It does not own the model: the caller disposes it.
 */
export function gemmaLanguageModel(model: Gemma, options: GemmaLanguageModelOptions = {}): LanguageModelV3 {
  const modelId = options.modelId ?? (model.info.config.name || 'gemma');
  const start = (call: LanguageModelV3CallOptions) => {
    const { messages, options: generateOptions, warnings } = readCall(call, model.info.contextLength);
    return { generation: model.generate(messages, generateOptions), warnings };
  };
  return {
    specificationVersion: 'v3',
    provider: 'gemma-web',
    modelId,
    supportedUrls: {},
    async doGenerate(call): Promise<LanguageModelV3GenerateResult> {
      const { generation, warnings } = start(call);
      const result = await generation;
      return {
        content: [{ type: 'text', text: result.text }],
        ...endOf(result),
        response: { modelId, timestamp: new Date() },
        warnings,
      };
    },
    async doStream(call): Promise<LanguageModelV3StreamResult> {
      const { generation, warnings } = start(call);
      const parts = partsOf(generation, [
        { type: 'stream-start', warnings },
        { type: 'response-metadata', modelId, timestamp: new Date() },
      ]);
      return { stream: streamOf(parts) };
    },
  };
}

async function* partsOf(
  generation: Generation,
  opening: readonly LanguageModelV3StreamPart[],
): AsyncGenerator<LanguageModelV3StreamPart, void, undefined> {
  yield* opening;
  try {
    yield { type: 'text-start', id: TEXT };
    for await (const delta of generation) yield { type: 'text-delta', id: TEXT, delta };
    yield { type: 'text-end', id: TEXT };
    yield { type: 'finish', ...endOf(await generation) };
  } catch (error) {
    // The SDK recognises an abort by the stream's exception, and any other failure by a part.
    if (!(error instanceof GemmaError)) throw error;
    yield { type: 'error', error };
  }
}

function streamOf(parts: AsyncGenerator<LanguageModelV3StreamPart, void, undefined>): ReadableStream<LanguageModelV3StreamPart> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await parts.return();
    },
  });
}

function endOf({ finishReason, usage, seed, timings }: GenerateResult): Pick<
  LanguageModelV3GenerateResult,
  'finishReason' | 'usage' | 'providerMetadata'
> {
  const unified: LanguageModelV3FinishReason['unified'] = finishReason === 'cancelled' ? 'other' : finishReason;
  return {
    finishReason: { unified, raw: finishReason },
    usage: usageOf(usage),
    providerMetadata: { gemma: { seed, timings: { ...timings }, droppedTokens: usage.droppedTokens } },
  };
}

function usageOf({ promptTokens, completionTokens, cachedTokens }: TokenUsage): LanguageModelV3Usage {
  return {
    inputTokens: { total: promptTokens, noCache: promptTokens - cachedTokens, cacheRead: cachedTokens, cacheWrite: undefined },
    outputTokens: { total: completionTokens, text: completionTokens, reasoning: undefined },
  };
}
