// The conversations: the list, the one that is shown, and the ways to change and save them.

import { signal } from '@preact/signals';
import * as database from './database.js';
import { go } from './route.js';
import { settings } from './settings.js';
import { type Conversation, forkAt, type Kind, merge, newConversation } from './tree.js';

/** All conversations, the latest first; undefined until the database has answered. */
export const list = signal<readonly database.Summary[] | undefined>(undefined);
/** The conversation that is shown. A new one is saved from its first turn on. */
export const current = signal<Conversation>(newConversation('chat'));
/** Whether saving failed last; some private windows store nothing. */
export const saveFailed = signal(false);

async function attempt<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    const result = await action();
    saveFailed.value = false;
    return result;
  } catch (error) {
    console.info(error);
    saveFailed.value = true;
    return undefined;
  }
}

/** The channel that tells the page's other tabs which conversation has changed. */
const tabs = new BroadcastChannel('gemma-web:conversations');
const everywhere = async (id: string): Promise<void> => {
  tabs.postMessage(id);
  await refresh();
};
tabs.onmessage = ({ data }: MessageEvent<string>): void => void Promise.all([refresh(), data === current.value.id && adopt(data)]);

/** Adopts what another tab did to the conversation shown here. The branch shown here stays. */
async function adopt(id: string): Promise<void> {
  const stored = await attempt(() => database.readConversation(id));
  const shown = current.value;
  if (shown.id !== id) return;
  if (stored) current.value = { ...merge(shown, stored), title: stored.title };
  // Deleted in the other tab. An answer that is being written here stays all the same.
  else if (shown.turns.at(-1)?.ending !== 'interrupted') startNew(shown.kind);
}

export async function refresh(): Promise<void> {
  list.value = (await attempt(database.listConversations)) ?? list.value ?? [];
}

/** Shows another state of a conversation, and saves it. */
export async function update(conversation: Conversation): Promise<void> {
  if (current.value.id === conversation.id) current.value = conversation;
  if (conversation.turns.length === 0) return;
  await save(conversation);
}

export async function save(conversation: Conversation): Promise<void> {
  const stored = await attempt(() => database.writeConversation(conversation));
  const more = stored && stored.turns.length > conversation.turns.length;
  if (more && current.value.id === stored.id) current.value = merge(current.value, stored);
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

/** Shows a conversation; false if there is none of that id. */
export async function open(id: string): Promise<boolean> {
  if (current.value.id === id) return true;
  const found = await attempt(() => database.readConversation(id));
  if (found) current.value = found;
  return found !== undefined;
}

export async function fork(turn: string): Promise<void> {
  const branch = forkAt(current.value, turn);
  current.value = branch;
  await save(branch);
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
