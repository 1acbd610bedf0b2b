// Inputs and options of the Prompt API, checked as its specification says.

import type { GenerateDefaults } from '../types/model.js';
import type { Message } from '../types/generate.js';
import type { LanguageModelCreateCoreOptions, LanguageModelParams, LanguageModelSamplingMode } from './language-model-types.js';

/** Tokens of a turn besides its text: `<start_of_turn>`, role, newline, `<end_of_turn>`, newline. */
const TURN_TOKENS = 5;
/** Upper bound of the option `temperature`. */
const MAX_TEMPERATURE = 100;

export const notSupported = (what: string): DOMException => new DOMException(what, 'NotSupportedError');

/** A prompt as messages. `begun`: whether there are earlier messages, so that a system message is no longer allowed. */
export function readInput(input: unknown, begun: boolean): Message[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  if (!Array.isArray(input)) throw new TypeError('the input is neither a string nor an array of messages');
  if (input.length === 0) return [{ role: 'user', content: '' }];
  return input.map((message: unknown, index) => {
    const { role, content, prefix } = (message ?? {}) as { role?: unknown; content?: unknown; prefix?: unknown };
    if (role !== 'system' && role !== 'user' && role !== 'assistant') {
      throw new TypeError(`message ${index}: its role is ${String(role)}, expected "system", "user" or "assistant"`);
    }
    if (role === 'system' && (begun || index > 0)) {
      throw new TypeError(`message ${index}: a system message can only be the first of a session`);
    }
    if (prefix === true) throw notSupported(`message ${index}: "prefix" is not supported, an answer begins at its beginning`);
    return { role, content: readContent(content, index) };
  });
}

function readContent(content: unknown, index: number): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw new TypeError(`message ${index}: its content is neither a string nor an array`);
  const texts = content.map((part: unknown) => {
    const { type, value } = (part ?? {}) as { type?: unknown; value?: unknown };
    if (type !== 'text') throw notSupported(`message ${index}: it holds "${String(type)}", and the model reads text only`);
    if (typeof value !== 'string') throw new TypeError(`message ${index}: the value of a text is no string`);
    return value;
  });
  // Without a space, as the specification says.
  return texts.join('');
}

/** @throws {DOMException} `NotSupportedError` if the options of a prompt ask for a feature that is not supported. */
export function checkPromptOptions(options: object): void {
  const { responseConstraint } = options as { responseConstraint?: unknown };
  if (responseConstraint !== undefined && responseConstraint !== null) {
    throw notSupported('"responseConstraint" is not supported: ask for the form in the prompt');
  }
}

/** The messages as alternating turns: those of one role that follow each other become one. */
export function inTurns(messages: readonly Message[]): Message[] {
  const turns: Message[] = [];
  for (const { role: found, content } of messages) {
    const role = found === 'model' ? 'assistant' : found;
    const last = turns.at(-1);
    if (last?.role === role) turns[turns.length - 1] = { role, content: `${last.content}\n\n${content}` };
    else turns.push({ role, content });
  }
  return turns;
}

/** Tokens of messages, in Gemma's turn format. */
export async function tokensOf(messages: readonly Message[], tokenize: (text: string) => Promise<readonly number[]>): Promise<number> {
  const counts = await Promise.all(messages.map(async ({ content }) => (await tokenize(content)).length + TURN_TOKENS));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The reason why a session with these options cannot be created; undefined if it can. */
export function unsupportedOption(options: LanguageModelCreateCoreOptions): string | undefined {
  const { expectedInputs = [], expectedOutputs = [], tools = [] } = options;
  const other = [...expectedInputs, ...expectedOutputs].find(({ type }) => type !== 'text');
  if (other) return `the model reads and writes text only, not "${other.type}"`;
  return tools.length > 0 ? 'the model calls no tools' : undefined;
}

/** Sampling options of a session. */
export interface Sampling {
  readonly topK: number;
  readonly temperature: number;
  readonly samplingMode: LanguageModelSamplingMode | null;
}

/** Factor of the temperature in each mode. */
const MODES: Readonly<Record<LanguageModelSamplingMode, number>> = {
  'most-predictable': 0,
  predictable: 0.5,
  balanced: 1,
  creative: 1.25,
  'most-creative': 1.5,
};

/** Limits and default values of the model's sampling. */
export function paramsOf(defaults: GenerateDefaults, nVocab: number): LanguageModelParams {
  return {
    defaultTopK: defaults.topK,
    maxTopK: nVocab,
    defaultTemperature: defaults.temperature,
    maxTemperature: MAX_TEMPERATURE,
  };
}

/** Checks sampling options, as far as that is possible without a model. */
export function checkSampling({ topK, temperature, samplingMode }: LanguageModelCreateCoreOptions): void {
  if (samplingMode !== undefined) {
    if (!Object.hasOwn(MODES, samplingMode)) {
      throw new TypeError(`"samplingMode" is ${String(samplingMode)}, expected ${Object.keys(MODES).join(', ')}`);
    }
    if (topK !== undefined || temperature !== undefined) throw new TypeError('"samplingMode" stands in place of "topK" and "temperature"');
  }
  if (topK !== undefined && !(topK >= 1)) throw new RangeError(`"topK" is ${topK}, expected 1 or more`);
  if (temperature !== undefined && !(temperature >= 0)) throw new RangeError(`"temperature" is ${temperature}, expected 0 or more`);
}

/** Sampling of a session with these options. */
export function samplingOf({ topK, temperature, samplingMode }: LanguageModelCreateCoreOptions, params: LanguageModelParams): Sampling {
  const asked = temperature ?? params.defaultTemperature * (samplingMode === undefined ? 1 : MODES[samplingMode]);
  return {
    topK: Math.min(Math.floor(topK ?? params.defaultTopK), params.maxTopK),
    temperature: Math.min(asked, params.maxTemperature),
    samplingMode: samplingMode ?? null,
  };
}
