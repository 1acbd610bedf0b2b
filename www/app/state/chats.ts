// The conversations: which there are, which one is shown, and keeping them.

import { signal } from '@preact/signals';
import * as database from './database.js';
import { go } from './route.js';
import { settings } from './settings.js';
import { type Conversation, forkAt, type Kind, merge, newConversation } from './tree.js';

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

/** Tells the page's other tabs which conversation is another one now. */
const tabs = new BroadcastChannel('gemma-web:conversations');
const everywhere = async (id: string): Promise<void> => {
  tabs.postMessage(id);
  await refresh();
};
tabs.onmessage = ({ data }: MessageEvent<string>): void => void Promise.all([refresh(), data === current.value.id && adopt(data)]);

/** Takes over what another tab did to the conversation shown here; the branch that is read here stays the one that is shown. */
async function adopt(id: string): Promise<void> {
  const kept = await attempt(() => database.readConversation(id));
  const shown = current.value;
  if (shown.id !== id) return;
  if (kept) current.value = { ...merge(shown, kept), title: kept.title };
  // Deleted there; what is being written here is kept all the same.
  else if (shown.turns.at(-1)?.ending !== 'interrupted') startNew(shown.kind);
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
  const kept = await attempt(() => database.writeConversation(conversation));
  const more = kept && kept.turns.length > conversation.turns.length;
  if (more && current.value.id === kept.id) current.value = merge(current.value, kept);
  await everywhere(conversation.id);
}

export async function rename(id: string, title: string): Promise<void> {
  const found = current.value.id === id ? current.value : await attempt(() => database.readConversation(id));
  if (found) await update({ ...found, title });
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
  await everywhere(id);
}

export async function eraseAll(): Promise<void> {
  const all = (list.value ?? []).map(({ id }) => id);
  await attempt(database.deleteAllConversations);
  startNew(current.value.kind);
  for (const id of all) tabs.postMessage(id);
  await refresh();
}

export async function search(text: string): Promise<ReadonlySet<string>> {
  return (await attempt(() => database.searchConversations(text))) ?? new Set();
}
