/**
 * Chat completions in the shape of the `openai` package, answered by a model in this page.
 *
 * ```js
 * import { loadGemma } from 'gemma-web';
 * import { createOpenAI } from 'gemma-web/openai';
 *
 * const client = createOpenAI(await loadGemma('/models/gemma-it.gguf'));
 * const stream = await client.chat.completions.create({ model: 'gemma', messages: [{ role: 'user', content: 'Hello' }], stream: true });
 * for await (const chunk of stream) console.log(chunk.choices[0]?.delta.content);
 * ```
 *
 * @packageDocumentation
 */

import type { OpenAI } from 'openai';
import type { Gemma } from '../page/gemma.js';
import { type Params, readParams } from './openai-request.js';
import { chunksOf, completionOf, type ResponseHead, type StreamHead } from './openai-response.js';
import { refuse } from './shared.js';

/** Second argument of `create`. */
export interface CompletionOptions {
  /** Stops the generation; the promise, or the loop over the stream, then throws an `AbortError` DOMException. */
  readonly signal?: AbortSignal | null | undefined;
}

/** Result of `create` with `stream: true`: chunks as they arrive, to be looped over once. Leaving the loop stops the generation. */
export interface CompletionStream extends AsyncIterable<OpenAI.ChatCompletionChunk> {
  /** Controller whose `abort()` ends the loop without an error, as in the `openai` package. */
  readonly controller: AbortController;
}

/** `client.chat.completions`. */
export interface ChatCompletions {
  /**
   * Answers a conversation.
   *
   * Supported: `messages` of role `system`, `developer`, `user` and `assistant` with text, in a string or in parts; `stream`,
   * `stream_options.include_usage`, `max_completion_tokens` or `max_tokens` (default: as much as the context holds), `temperature`, `top_p`,
   * `frequency_penalty`, `presence_penalty`, `logit_bias`, `seed`, `stop`, `logprobs`, `top_logprobs`. A sampling parameter that is left
   * out has the model card's value, not that of OpenAI's models. `model`, `user`, `metadata`, `safety_identifier`, `prompt_cache_key` and
   * `prompt_cache_retention` have no effect: there is one model and one user. Everything else (tools, JSON schemas, audio, `n` above 1, …)
   * is refused by name.
   *
   * Without a `seed`, a beginning that the conversation shares with the last one is not computed again: see
   * `usage.prompt_tokens_details.cached_tokens`.
   *
   * @returns The completion, or with `stream: true` its chunks, once the first token has arrived.
   * @throws {GemmaError} `invalid_option` naming the parameter; the errors of `model.generate`: `context_full`, `unsupported` for a model
   *   without a turn format.
   * @throws {DOMException} `AbortError` once `options.signal` is aborted.
   */
  create(body: OpenAI.ChatCompletionCreateParamsNonStreaming, options?: CompletionOptions): Promise<OpenAI.ChatCompletion>;
  create(body: OpenAI.ChatCompletionCreateParamsStreaming, options?: CompletionOptions): Promise<CompletionStream>;
  create(body: OpenAI.ChatCompletionCreateParams, options?: CompletionOptions): Promise<OpenAI.ChatCompletion | CompletionStream>;
}

/** The supported part of the `openai` package's client. */
export interface OpenAIClient {
  readonly chat: { readonly completions: ChatCompletions };
  readonly models: {
    /** Lists the one model. */
    list(): Promise<{ readonly object: 'list'; readonly data: readonly OpenAI.Model[] }>;
  };
}

/** Options of {@link createOpenAI}. */
export interface OpenAIOptions {
  /** Name of the model in answers. Default: the name in its file, else `gemma`. */
  readonly model?: string | undefined;
}

/** A client in the shape of the `openai` package's, over a loaded model. It does not own the model: the caller disposes it. */
export function createOpenAI(model: Gemma, options: OpenAIOptions = {}): OpenAIClient {
  const name = options.model ?? (model.info.config.name || 'gemma');
  const created = seconds();
  const list = async () => ({ object: 'list', data: [{ id: name, object: 'model', created, owned_by: 'gemma-web' }] }) as const;
  const create = async (body: Params, { signal, ...others }: CompletionOptions = {}): Promise<OpenAI.ChatCompletion | CompletionStream> => {
    for (const [option, found] of Object.entries(others)) {
      if (found !== undefined && found !== null) refuse(`options.${option}`, found, 'nothing: there is no network, only `signal` is taken');
    }
    const request = readParams(body, model.info.contextLength);
    const head: ResponseHead = { id: `chatcmpl-${crypto.randomUUID()}`, created: seconds(), model: name };
    if (!request.stream) return completionOf(head, await model.generate(request.messages, { ...request.options, signal: signal ?? undefined }));
    const controller = new AbortController();
    const both = signal ? AbortSignal.any([signal, controller.signal]) : controller.signal;
    const generation = model.generate(request.messages, { ...request.options, signal: both });
    const streamed: StreamHead = { ...head, includeUsage: request.includeUsage, logprobs: request.options.logprobs !== undefined };
    const tokens = generation.tokens[Symbol.asyncIterator]();
    // Errors of the request are thrown here, not in the loop.
    const first = await tokens.next();
    return { controller, [Symbol.asyncIterator]: () => chunksOf(streamed, generation, first, tokens, controller.signal) };
  };
  return { chat: { completions: { create: create as ChatCompletions['create'] } }, models: { list } };
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
