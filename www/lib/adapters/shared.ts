// What the adapters share: refusals that name the thing, and contents in parts.

import { GemmaError } from '../shared/errors.js';
import type { Message } from '../types/generate.js';

/** What was found, short enough for a message. */
function shown(found: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(found) ?? String(found);
  } catch {
    text = String(found);
  }
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** Says what can't be done with a parameter of a request. */
export function refuse(option: string, found: unknown, expected: string): never {
  throw new GemmaError('invalid_option', `"${option}" is ${shown(found)}, expected ${expected}`, {
    option,
    found: shown(found),
    expected,
  });
}

/** The text of contents that may come in parts, which are put on lines of their own; what is no text is refused by the path of its part. */
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

/** Puts the system texts at the beginning into one message, since the turn formats know one. */
export function joinSystem(messages: readonly Message[]): Message[] {
  const first = messages.findIndex(({ role }) => role !== 'system');
  const count = first < 0 ? messages.length : first;
  if (count < 2) return [...messages];
  const content = messages.slice(0, count).map((message) => message.content).join('\n\n');
  return [{ role: 'system', content }, ...messages.slice(count)];
}
