// Helpers that the adapters share: refusals that name the parameter, and contents in parts.

import { GemmaError } from '../shared/errors.js';
import { shown } from '../shared/shown.js';
import type { Message } from '../types/generate.js';

/** Longest value that an error shows. */
const MAX_SHOWN = 80;

/** @throws {GemmaError} `invalid_option`, naming the parameter of the request. */
export function refuse(option: string, value: unknown, expected: string): never {
  const found = shown(value, MAX_SHOWN);
  throw new GemmaError('invalid_option', `"${option}" is ${found}, expected ${expected}`, { option, found, expected });
}

/** The text of contents that may come in parts, each put on a line of its own. A part that is no text is refused by its path. */
export function textOf(path: string, content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return refuse(path, content, 'a string or an array of parts of type "text"');
  const texts = content.map((part: unknown, index) => {
    const { type, text } = (part ?? {}) as { type?: unknown; text?: unknown };
    if (type !== 'text') return refuse(`${path}[${index}].type`, type, '"text": the model reads nothing else');
    return typeof text === 'string' ? text : refuse(`${path}[${index}].text`, text, 'a string');
  });
  return texts.join('\n');
}

/** The messages with their leading system texts joined into one, since turn formats have only one. */
export function joinSystem(messages: readonly Message[]): Message[] {
  const first = messages.findIndex(({ role }) => role !== 'system');
  const count = first < 0 ? messages.length : first;
  if (count < 2) return [...messages];
  const content = messages.slice(0, count).map((message) => message.content).join('\n\n');
  return [{ role: 'system', content }, ...messages.slice(count)];
}
