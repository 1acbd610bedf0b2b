// Responses in the shape of the `openai` package: completions and chunks, from results and tokens.

import type { OpenAI } from 'openai';
import type { GenerateResult, TokenLogprob, TokenPiece, TokenUsage, TopLogprob } from '../types/generate.js';
import type { Generation } from '../page/generation.js';

/** Properties of a completion that all its chunks repeat. */
export interface ResponseHead {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

/** The same for chunks, with the options that shape them. */
export interface StreamHead extends ResponseHead {
  readonly includeUsage: boolean;
  readonly logprobs: boolean;
}

type FinishReason = OpenAI.ChatCompletion.Choice['finish_reason'];
type Logprobs = OpenAI.ChatCompletion.Choice['logprobs'];

/** A whole completion. */
export function completionOf({ id, created, model }: ResponseHead, result: GenerateResult): OpenAI.ChatCompletion {
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: result.text, refusal: null },
        finish_reason: finishReason(result),
        logprobs: result.logprobs ? logprobsOf(result.logprobs) : null,
      },
    ],
    usage: usageOf(result.usage),
  };
}

/** The chunks of a completion whose first token has arrived; `quiet` is the signal that ends it without an error. */
export async function* chunksOf(
  head: StreamHead,
  generation: Generation,
  first: IteratorResult<TokenPiece>,
  tokens: AsyncIterator<TokenPiece>,
  quiet: AbortSignal,
): AsyncGenerator<OpenAI.ChatCompletionChunk, void, undefined> {
  let length = 0;
  try {
    yield chunk(head, { role: 'assistant', content: '', refusal: null });
    for (let next = first; !next.done; next = await tokens.next()) {
      const { id, text, logprob, top } = next.value;
      length += text.length;
      const logprobs = head.logprobs && logprob !== undefined ? logprobsOf([{ id, text, logprob, top: top ?? [] }]) : null;
      if (text !== '' || logprobs) yield chunk(head, { content: text }, null, logprobs);
    }
    const result = await generation;
    // Text that was held back: an unfinished character, or the beginning of a stop text that did not follow.
    const rest = result.text.slice(length);
    if (rest !== '') yield chunk(head, { content: rest });
    yield chunk(head, {}, finishReason(result));
    if (head.includeUsage) yield { ...chunk(head, {}), choices: [], usage: usageOf(result.usage) };
  } catch (error) {
    if (!quiet.aborted) throw error;
  } finally {
    await tokens.return?.();
  }
}

function chunk(
  { id, created, model, includeUsage }: StreamHead,
  delta: OpenAI.ChatCompletionChunk.Choice.Delta,
  finish_reason: FinishReason | null = null,
  logprobs: Logprobs = null,
): OpenAI.ChatCompletionChunk {
  const choices = [{ index: 0, delta, finish_reason, logprobs }];
  return { id, object: 'chat.completion.chunk', created, model, choices, ...(includeUsage ? { usage: null } : {}) };
}

/** Finish reason in the package's words. Nothing stops a generation of the adapter gently, so there are only two. */
function finishReason({ finishReason }: GenerateResult): FinishReason {
  return finishReason === 'length' ? 'length' : 'stop';
}

function usageOf({ promptTokens, completionTokens, cachedTokens }: TokenUsage): OpenAI.CompletionUsage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

function logprobsOf(tokens: readonly TokenLogprob[]): Logprobs {
  const content = tokens.map(({ top, ...token }) => ({ ...logprobOf(token), top_logprobs: top.map(logprobOf) }));
  return { content, refusal: null };
}

function logprobOf({ text, logprob }: TopLogprob): { token: string; bytes: number[]; logprob: number } {
  return { token: text, bytes: [...new TextEncoder().encode(text)], logprob };
}
