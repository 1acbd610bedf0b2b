// From what a caller writes to what is sent: prompts, options and callbacks, checked as far as the engine can't see them.

import { GemmaError } from '../shared/errors.js';
import type { ChatTemplate, GenerateOptions, Message, Prompt } from '../types/generate.js';
import type { PlainOptions, SentPrompt } from '../shared/protocol.js';

/** Comes after each `<` and `[` of what messages hold when a template of the page's own renders them: so that it stays text. */
const MARK = '\uFDD0';

/** The error for an option that is not as it should be. */
export function invalidOption(option: string, value: unknown, expected: string): GemmaError {
  const found = shown(value);
  return new GemmaError('invalid_option', `option "${option}" is ${found}, expected ${expected}`, { option, found, expected });
}

function shown(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** @throws {GemmaError} `invalid_option` where an option is there and is no function. */
export function checkFunction(option: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') throw invalidOption(option, value, 'a function');
}

/** @throws {GemmaError} `invalid_option` where an option is there and is neither true nor false. */
export function checkFlag(option: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalidOption(option, value, 'true or false');
}

/** Whether it is an `AbortSignal`, of whatever window. */
export const isSignal = (value: unknown): value is AbortSignal =>
  typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value;

/** @throws {GemmaError} `invalid_option` for what is no signal. */
export function checkSignal(value: unknown): void {
  if (value !== undefined && !isSignal(value)) throw invalidOption('signal', value, 'an AbortSignal');
}

/** @throws {GemmaError} `invalid_option` for what is no text. */
export function checkText(option: string, value: unknown): void {
  if (typeof value !== 'string') throw invalidOption(option, value, 'text');
}

/** Options without what stays on the page; the engine checks the rest. */
export function plainOptions(options: GenerateOptions): PlainOptions {
  const { signal, onToken, onPrefillProgress, template, stop, ...plain } = options;
  checkSignal(signal);
  checkFunction('onToken', onToken);
  checkFunction('onPrefillProgress', onPrefillProgress);
  checkFunction('template', template);
  return { ...plain, stop: typeof stop === 'string' ? [stop] : stop };
}

/** What a model makes of conversations. */
export interface TurnFormat {
  /** Whether it has a turn format of its own. */
  readonly chat: boolean;
  /** The page's own, in place of it. */
  readonly template: ChatTemplate | undefined;
}

/** Tells the kinds of prompts apart, and renders a conversation where the page has a template for it. */
export function toSentPrompt(prompt: Prompt, format: TurnFormat): SentPrompt {
  if (typeof prompt === 'string') return { text: prompt };
  if (ArrayBuffer.isView(prompt)) return { ids: Array.from(prompt as unknown as ArrayLike<number>) };
  if (!Array.isArray(prompt)) throw invalidOption('prompt', prompt, 'text, an array of token ids or an array of messages');
  const [first] = prompt as readonly unknown[];
  if (typeof first !== 'object' || first === null) return { ids: prompt as readonly number[] };
  const messages = checkMessages('prompt', prompt);
  checkFormat(format);
  return format.template ? { rendered: renderMarked(messages, format.template) } : { messages };
}

/** @throws {GemmaError} `unsupported` where nothing says how this model reads a conversation. */
export function checkFormat({ chat, template }: TurnFormat): void {
  if (chat || template) return;
  throw new GemmaError(
    'unsupported',
    'this model has no turn format: it was not tuned to answer messages; give it text to continue, a tuned model (info.chat), or the option `template`',
    { what: 'messages', found: 'a model without a turn format' },
  );
}

/** A copy of the messages, as `{role, content}` and nothing else. */
export function checkMessages(option: string, messages: unknown): Message[] {
  if (!Array.isArray(messages)) throw invalidOption(option, messages, 'an array of messages { role, content }');
  return messages.map((message: unknown, index) => {
    const { role, content } = (typeof message === 'object' && message !== null ? message : {}) as { role?: unknown; content?: unknown };
    if (typeof role === 'string' && typeof content === 'string') return { role, content } as Message;
    throw new GemmaError('invalid_message', `message ${index}: it is ${shown(message)}, expected { role, content }, both text`, {
      index,
      why: 'expected { role, content }, both text',
    });
  });
}

/** The conversation in the page's own format, with a mark in everything that must stay text. */
export function renderMarked(messages: readonly Message[], template: ChatTemplate): string {
  const marked = messages.map(({ role, content }) => ({ role, content: content.replaceAll(MARK, '').replace(/[<[]/g, `$&${MARK}`) }));
  return rendered(marked, template);
}

/** The conversation in the page's own format. */
export function rendered(messages: readonly Message[], template: ChatTemplate): string {
  const text: unknown = template(messages);
  if (typeof text !== 'string') throw invalidOption('template', text, 'a function that returns text');
  return text;
}
