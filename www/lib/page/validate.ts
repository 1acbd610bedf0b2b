// Validation of arguments, as far as the engine cannot see them: callbacks, signals, messages and templates.

import { GemmaError } from '../shared/errors.js';
import type { PlainOptions, SentPrompt } from '../shared/protocol.js';
import { shown } from '../shared/shown.js';
import type { ChatTemplate, GenerateOptions, Message, Prompt } from '../types/generate.js';

/** Mark after each `<` and `[` in the contents of messages that the page's own template renders, so that they stay text. */
const MARK = '\uFDD0';

/** The error for a wrong option. `found`: its value in the details, unless that is the one in the message. */
export function invalidOption(option: string, value: unknown, expected: string, found = shown(value)): GemmaError {
  return new GemmaError('invalid_option', `option "${option}" is ${shown(value)}, expected ${expected}`, { option, found, expected });
}

/** @throws {GemmaError} `invalid_option` if an option is given and is no function. */
export function checkFunction(option: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') throw invalidOption(option, value, 'a function');
}

/** @throws {GemmaError} `invalid_option` if an option is given and is neither true nor false. */
export function checkFlag(option: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalidOption(option, value, 'true or false');
}

/** Whether a value is an `AbortSignal`, of any window. */
export const isSignal = (value: unknown): value is AbortSignal =>
  typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value;

/** @throws {GemmaError} `invalid_option` if the value is given and is no signal. */
export function checkSignal(value: unknown): void {
  if (value !== undefined && !isSignal(value)) throw invalidOption('signal', value, 'an AbortSignal');
}

/** @throws {GemmaError} `invalid_option` if the value is no text. */
export function checkText(option: string, value: unknown): void {
  if (typeof value !== 'string') throw invalidOption(option, value, 'text');
}

/** Options without those that stay on the page, which are checked here; the engine checks the rest. */
export function plainOptions(options: GenerateOptions): PlainOptions {
  const { signal, onToken, onPrefillProgress, template, stop, ...plain } = options;
  checkSignal(signal);
  checkFunction('onToken', onToken);
  checkFunction('onPrefillProgress', onPrefillProgress);
  checkFunction('template', template);
  return { ...plain, stop: typeof stop === 'string' ? [stop] : stop };
}

/** The format in which a model reads a conversation. */
export interface TurnFormat {
  /** Whether the model has a turn format of its own. */
  readonly chat: boolean;
  /** The page's own format in place of it. */
  readonly template: ChatTemplate | undefined;
}

/** A prompt as it crosses to the engine; a conversation is rendered here if the page has a template for it. */
export function toSentPrompt(prompt: Prompt, format: TurnFormat): SentPrompt {
  if (typeof prompt === 'string') return { text: prompt };
  if (ArrayBuffer.isView(prompt)) return { ids: Array.from(prompt as unknown as ArrayLike<number>) };
  if (!Array.isArray(prompt)) throw invalidOption('prompt', prompt, 'text, an array of token ids or an array of messages');
  const [first] = prompt as readonly unknown[];
  if (typeof first !== 'object' || first === null) return { ids: prompt as readonly number[] };
  const messages = checkMessages('prompt', prompt);
  checkFormat(format);
  return format.template ? { rendered: renderWithMarks(messages, format.template) } : { messages };
}

/** @throws {GemmaError} `unsupported` if there is no turn format at all. */
export function checkFormat({ chat, template }: TurnFormat): void {
  if (chat || template) return;
  throw new GemmaError(
    'unsupported',
    'this model has no turn format: it was not tuned to answer messages; give it text to continue, a tuned model (info.chat), or the option `template`',
    { what: 'messages', found: 'a model without a turn format' },
  );
}

/**
 * A copy of the messages, as `{ role, content }` and nothing else.
 *
 * @throws {GemmaError} `invalid_option` or `invalid_message` if they are no messages.
 */
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

/** A conversation in the page's own format, with marks in the contents so that they stay text. */
export function renderWithMarks(messages: readonly Message[], template: ChatTemplate): string {
  const marked = messages.map(({ role, content }) => ({ role, content: content.replaceAll(MARK, '').replace(/[<[]/g, `$&${MARK}`) }));
  return renderWith(marked, template);
}

/** A conversation in the page's own format. */
export function renderWith(messages: readonly Message[], template: ChatTemplate): string {
  const text: unknown = template(messages);
  if (typeof text !== 'string') throw invalidOption('template', text, 'a function that returns text');
  return text;
}
