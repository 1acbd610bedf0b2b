// Requests in the shape of the `openai` package, translated to a prompt and options. Unsupported parameters are refused, never ignored.

import type { OpenAI } from 'openai';
import type { GenerateOptions, Message } from '../types/generate.js';
import { joinSystem, refuse, textOf } from './shared.js';

export type Params = OpenAI.ChatCompletionCreateParams;

/** A request that the model can answer. */
export interface Request {
  readonly messages: readonly Message[];
  readonly options: GenerateOptions;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** Parameters that are read below. */
const TAKEN: ReadonlySet<string> = new Set([
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'logit_bias',
  'seed',
  'stop',
  'logprobs',
  'top_logprobs',
]);

/** Parameters without effect: they tell users and bills apart or name a model, and here is one of each. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'model',
  'user',
  'metadata',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
]);

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

/** Parameters of which only the default behaviour is supported: the values that ask for it, and their description. */
const NEUTRAL: Readonly<Record<string, readonly [accepts: (value: unknown) => boolean, expected: string]>> = {
  n: [(value) => value === 1, '1: one answer is generated at a time'],
  tools: [isEmpty, 'none: tools are not supported'],
  functions: [isEmpty, 'none: functions are not supported'],
  tool_choice: [(value) => value === 'none', '"none": tools are not supported'],
  function_call: [(value) => value === 'none', '"none": functions are not supported'],
  parallel_tool_calls: [(value) => typeof value === 'boolean', 'a boolean'],
  modalities: [(value) => Array.isArray(value) && value.length === 1 && value[0] === 'text', '["text"]: the model writes nothing else'],
  response_format: [(value) => (value as { type?: unknown }).type === 'text', '{"type":"text"}: other formats are not supported'],
  service_tier: [(value) => value === 'auto' || value === 'default', '"auto" or "default"'],
  store: [(value) => value === false, 'false: nothing is stored'],
};

/** Reads a request. `contextLength`: the limit of tokens if the request sets none. */
export function readParams(body: Params, contextLength: number): Request {
  for (const [name, value] of Object.entries(body)) {
    if (value === undefined || value === null || TAKEN.has(name) || WITHOUT_EFFECT.has(name)) continue;
    const rule = NEUTRAL[name];
    if (!rule) refuse(name, value, 'nothing: this parameter is not supported');
    if (!rule[0](value)) refuse(name, value, rule[1]);
  }
  const stream = flag('stream', body.stream);
  if (body.stream_options && !stream) refuse('stream_options', body.stream_options, 'nothing without "stream": true');
  for (const [name, value] of Object.entries(body.stream_options ?? {})) {
    // Padding against eavesdroppers, of which a page has none.
    if (name !== 'include_usage' && name !== 'include_obfuscation') refuse(`stream_options.${name}`, value, 'nothing: it is not supported');
  }
  return {
    messages: readMessages(body.messages),
    options: readOptions(body, contextLength),
    stream,
    includeUsage: flag('stream_options.include_usage', body.stream_options?.include_usage),
  };
}

function readOptions(body: Params, contextLength: number): GenerateOptions {
  const { max_tokens, max_completion_tokens, top_logprobs } = body;
  if (typeof max_tokens === 'number' && typeof max_completion_tokens === 'number') {
    refuse('max_tokens', max_tokens, 'nothing beside "max_completion_tokens", which is its newer name');
  }
  const logprobs = flag('logprobs', body.logprobs);
  if (!logprobs && typeof top_logprobs === 'number') refuse('top_logprobs', top_logprobs, 'nothing without "logprobs": true');
  return {
    maxTokens: max_completion_tokens ?? max_tokens ?? contextLength,
    temperature: body.temperature ?? undefined,
    topP: body.top_p ?? undefined,
    frequencyPenalty: body.frequency_penalty ?? undefined,
    presencePenalty: body.presence_penalty ?? undefined,
    logitBias: body.logit_bias ?? undefined,
    seed: body.seed ?? undefined,
    stop: body.stop ?? undefined,
    logprobs: logprobs ? (top_logprobs ?? 0) : undefined,
    // A prefix computed together with other tokens may differ in the last bit, so that a seed would not repeat a text.
    cachePrompt: body.seed === undefined || body.seed === null,
  };
}

function flag(name: string, value: unknown): boolean {
  if (value === undefined || value === null) return false;
  return typeof value === 'boolean' ? value : refuse(name, value, 'true or false');
}

function readMessages(messages: unknown): Message[] {
  if (!Array.isArray(messages) || messages.length === 0) return refuse('messages', messages, 'an array of at least one message');
  return joinSystem(messages.map((message: unknown, index) => readMessage(message, `messages[${index}]`)));
}

const ROLES: Readonly<Record<string, Message['role']>> = { system: 'system', developer: 'system', user: 'user', assistant: 'assistant' };

function readMessage(message: unknown, path: string): Message {
  const { role: found, content, ...others } = (message ?? {}) as Record<string, unknown>;
  const role = typeof found === 'string' && Object.hasOwn(ROLES, found) ? ROLES[found] : undefined;
  if (!role) return refuse(`${path}.role`, found, '"system", "developer", "user" or "assistant"');
  for (const [name, value] of Object.entries(others)) {
    // Properties that an answer of this adapter has may be sent back.
    if (value === undefined || value === null || isEmpty(value)) continue;
    refuse(`${path}.${name}`, value, 'nothing: it is not supported');
  }
  return { role, content: textOf(`${path}.content`, content) };
}
