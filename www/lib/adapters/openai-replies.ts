// From results and tokens to completions and chunks.

import type { OpenAI } from 'openai';
import type { GenerateResult, TokenLogprob, TokenPiece, TokenUsage, TopLogprob } from '../types/generate.js';
import type { Generation } from '../page/generation.js';

/** What all parts of an answer carry. */
export interface Reply {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

/** What chunks depend on. */
export interface StreamReply extends Reply {
  readonly includeUsage: boolean;
  readonly logprobs: boolean;
}

type FinishReason = OpenAI.ChatCompletion.Choice['finish_reason'];
type Logprobs = OpenAI.ChatCompletion.Choice['logprobs'];

/** A whole completion. */
export function replyOf({ id, created, model }: Reply, result: GenerateResult): OpenAI.ChatCompletion {
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

/** The chunks of a completion whose first token was waited for; `quiet` is the signal that ends it without an error. */
export async function* streamOf(
  reply: StreamReply,
  generation: Generation,
  first: IteratorResult<TokenPiece>,
  tokens: AsyncIterator<TokenPiece>,
  quiet: AbortSignal,
): AsyncGenerator<OpenAI.ChatCompletionChunk, void, undefined> {
  let length = 0;
  try {
    yield chunk(reply, { role: 'assistant', content: '', refusal: null });
    for (let next = first; !next.done; next = await tokens.next()) {
      const { id, text, logprob, top } = next.value;
      length += text.length;
      const logprobs = reply.logprobs && logprob !== undefined ? logprobsOf([{ id, text, logprob, top: top ?? [] }]) : null;
      if (text !== '' || logprobs) yield chunk(reply, { content: text }, null, logprobs);
    }
    const result = await generation;
    // What was held back: an unfinished character, or the beginning of a stop text that did not come.
    const rest = result.text.slice(length);
    if (rest !== '') yield chunk(reply, { content: rest });
    yield chunk(reply, {}, finishReason(result));
    if (reply.includeUsage) yield { ...chunk(reply, {}), choices: [], usage: usageOf(result.usage) };
  } catch (error) {
    if (!quiet.aborted) throw error;
  } finally {
    await tokens.return?.();
  }
}

function chunk(
  { id, created, model, includeUsage }: StreamReply,
  delta: OpenAI.ChatCompletionChunk.Choice.Delta,
  finish_reason: FinishReason | null = null,
  logprobs: Logprobs = null,
): OpenAI.ChatCompletionChunk {
  const choices = [{ index: 0, delta, finish_reason, logprobs }];
  return { id, object: 'chat.completion.chunk', created, model, choices, ...(includeUsage ? { usage: null } : {}) };
}

/** Nobody stops a generation of the adapter's gently, so that there are two reasons. */
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
