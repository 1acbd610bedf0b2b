// The conversations: which there are, which one is shown, and keeping them.

import { signal } from '@preact/signals';
import * as database from './database.js';
import { go } from './route.js';
import { settings } from './settings.js';
import { type Conversation, forkAt, type Kind, newConversation } from './tree.js';

/** What there is, the latest first; undefined until the database answered. */
export const list = signal<readonly database.Summary[] | undefined>(undefined);
/** What is shown; a new one is kept from its first turn on. */
export const current = signal<Conversation>(newConversation('chat'));
/** Why conversations can't be kept; some private windows keep nothing. */
export const keepingFailed = signal<string | undefined>(undefined);

async function attempt<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    const result = await action();
    keepingFailed.value = undefined;
    return result;
  } catch (error) {
    keepingFailed.value = error instanceof Error ? error.message : String(error);
    return undefined;
  }
}

export async function refresh(): Promise<void> {
  list.value = (await attempt(database.listConversations)) ?? list.value ?? [];
}

/** Shows another state of a conversation, and keeps it. */
export async function update(conversation: Conversation): Promise<void> {
  if (current.value.id === conversation.id) current.value = conversation;
  if (conversation.turns.length === 0) return;
  await keep(conversation);
}

export async function keep(conversation: Conversation): Promise<void> {
  await attempt(() => database.writeConversation(conversation));
  await refresh();
}

export function startNew(kind: Kind): void {
  current.value = newConversation(kind, kind === 'chat' ? settings.value.system : '');
  go({ screen: 'home' });
}

/** Shows a conversation; false where there is none of that id. */
export async function open(id: string): Promise<boolean> {
  if (current.value.id === id) return true;
  const found = await attempt(() => database.readConversation(id));
  if (found) current.value = found;
  return found !== undefined;
}

export async function fork(turn: string): Promise<void> {
  const branch = forkAt(current.value, turn);
  current.value = branch;
  await keep(branch);
  go({ screen: 'chat', id: branch.id });
}

export async function erase(id: string): Promise<void> {
  await attempt(() => database.deleteConversation(id));
  if (current.value.id === id) startNew(current.value.kind);
  await refresh();
}

export async function eraseAll(): Promise<void> {
  await attempt(database.deleteAllConversations);
  startNew(current.value.kind);
  await refresh();
}

export async function search(text: string): Promise<ReadonlySet<string>> {
  return (await attempt(() => database.searchConversations(text))) ?? new Set();
}
