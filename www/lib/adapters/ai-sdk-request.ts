// Requests of the AI SDK, translated to a prompt and options.

import type { LanguageModelV3CallOptions, LanguageModelV3Message, SharedV3Warning } from '@ai-sdk/provider';
import type { GenerateOptions, Message } from '../types/generate.js';
import { joinSystem, refuse } from './shared.js';

/** A request that the model can answer. */
export interface Request {
  readonly messages: readonly Message[];
  readonly options: GenerateOptions;
  readonly warnings: SharedV3Warning[];
}

/** Options that `providerOptions.gemma` may hold. */
const OWN_OPTIONS: ReadonlySet<string> = new Set(['minP', 'repetitionPenalty', 'logitBias', 'overflow']);

/** Reads a call. `contextLength`: the limit of tokens if the call sets none. */
export function readCall(call: LanguageModelV3CallOptions, contextLength: number): Request {
  const warnings = unsupported(call);
  const messages = call.prompt.flatMap((message, index) => readMessage(message, `prompt[${index}]`, warnings));
  if (messages.length === 0) refuse('prompt', call.prompt, 'at least one message');
  const options: GenerateOptions = {
    ...ownOptions(call.providerOptions?.['gemma'] ?? {}),
    maxTokens: call.maxOutputTokens ?? contextLength,
    temperature: call.temperature,
    topK: call.topK,
    topP: call.topP,
    frequencyPenalty: call.frequencyPenalty,
    presencePenalty: call.presencePenalty,
    seed: call.seed,
    stop: call.stopSequences,
    // A prefix computed together with other tokens may differ in the last bit, so that a seed would not repeat a text.
    cachePrompt: call.seed === undefined,
    signal: call.abortSignal,
  };
  return { messages: joinSystem(messages), options, warnings };
}

/** Warnings about options that would change the answer and are not supported. Headers and raw chunks, which belong to a network, would not. */
function unsupported({ tools, toolChoice, responseFormat }: LanguageModelV3CallOptions): SharedV3Warning[] {
  const warnings: SharedV3Warning[] = [];
  for (const tool of tools ?? []) warnings.push({ type: 'unsupported', feature: `tool ${tool.name}`, details: 'the model calls no tools' });
  if (toolChoice && (toolChoice.type === 'required' || toolChoice.type === 'tool')) {
    warnings.push({ type: 'unsupported', feature: 'toolChoice', details: 'the model calls no tools' });
  }
  if (responseFormat?.type === 'json') {
    warnings.push({ type: 'unsupported', feature: 'responseFormat', details: 'text is not constrained to JSON: ask for it in the prompt' });
  }
  return warnings;
}

function ownOptions(given: Readonly<Record<string, unknown>>): GenerateOptions {
  for (const [name, value] of Object.entries(given)) {
    if (!OWN_OPTIONS.has(name)) refuse(`providerOptions.gemma.${name}`, value, `one of ${[...OWN_OPTIONS].join(', ')}`);
  }
  // The engine checks types and ranges, and names the option.
  return given as GenerateOptions;
}

function readMessage(message: LanguageModelV3Message, path: string, warnings: SharedV3Warning[]): Message[] {
  const { role, content } = message;
  if (role === 'system') return [{ role, content }];
  if (role === 'tool') return refuse(`${path}.role`, role, '"system", "user" or "assistant": the model calls no tools');
  const texts: string[] = [];
  content.forEach((part, index) => {
    if (part.type === 'text') texts.push(part.text);
    else if (part.type === 'reasoning') warnings.push({ type: 'other', message: `${path}: reasoning is left out of the conversation` });
    else refuse(`${path}.content[${index}].type`, part.type, '"text": the model reads nothing else');
  });
  return [{ role, content: texts.join('\n') }];
}
