// The prompt of a branch of a conversation.

import type { Message, ModelConfig, Prompt } from 'gemma-web';
import type { Conversation, Turn } from './tree.js';

/** The prompt that the model continues. */
export function promptOf({ kind, system }: Conversation, branch: readonly Turn[], architecture: ModelConfig['architecture']): Prompt {
  if (kind === 'text') return branch.map(({ text }) => text).join('');
  const messages: Message[] = [];
  for (const { role, text } of branch) {
    const last = messages.at(-1);
    // If an answer failed, two messages of the reader's follow each other, which the turn format refuses.
    if (last?.role === role) messages[messages.length - 1] = { role, content: `${last.content}\n\n${text}` };
    else messages.push({ role, content: text });
  }
  return withSystem(messages, system.trim(), architecture);
}

/** Gemma 1 and 2 know no system text. For them it stands in front of the first message, as in Gemma 3's own format. */
function withSystem(messages: Message[], system: string, architecture: ModelConfig['architecture']): Message[] {
  const [first] = messages;
  if (system === '' || !first) return messages;
  if (architecture === 'gemma3') return [{ role: 'system', content: system }, ...messages];
  return [{ role: first.role, content: `${system}\n\n${first.content}` }, ...messages.slice(1)];
}
