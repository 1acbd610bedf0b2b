// Conversations in IndexedDB. Titles and turns lie in different stores, so that a long list is quick to show.

import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import { type Conversation, merge, type Turn } from './tree.js';

/** The part of a conversation that the list shows. */
export type Summary = Pick<Conversation, 'id' | 'title' | 'kind' | 'created' | 'updated'>;

interface Schema extends DBSchema {
  conversations: { key: string; value: Omit<Conversation, 'turns'>; indexes: { updated: number } };
  turns: { key: string; value: readonly Turn[] };
}

let opened: Promise<IDBPDatabase<Schema>> | undefined;

function database(): Promise<IDBPDatabase<Schema>> {
  opened ??= openDB<Schema>('gemma-web', 1, {
    upgrade(db) {
      db.createObjectStore('conversations', { keyPath: 'id' }).createIndex('updated', 'updated');
      db.createObjectStore('turns');
    },
    // Another tab has a newer page and waits for this one. This one opens the database again when it needs it.
    blocking: (_, __, event) => {
      (event.target as IDBDatabase).close();
      opened = undefined;
    },
    terminated: () => void (opened = undefined),
  });
  // The next call tries again.
  opened.catch(() => void (opened = undefined));
  return opened;
}

/** All conversations, the latest first. */
export async function listConversations(): Promise<Summary[]> {
  return (await (await database()).getAllFromIndex('conversations', 'updated')).reverse();
}

export async function readConversation(id: string): Promise<Conversation | undefined> {
  const transaction = (await database()).transaction(['conversations', 'turns']);
  const [head, turns] = await Promise.all([transaction.objectStore('conversations').get(id), transaction.objectStore('turns').get(id)]);
  return head && { ...head, turns: turns ?? [] };
}

/** Saves a conversation together with what another tab added to it meanwhile; returns all of it. */
export async function writeConversation(conversation: Conversation): Promise<Conversation> {
  const transaction = (await database()).transaction(['conversations', 'turns'], 'readwrite');
  const stored = (await transaction.objectStore('turns').get(conversation.id)) ?? [];
  const all = merge(conversation, { ...conversation, turns: stored });
  const { turns, ...head } = all;
  await Promise.all([transaction.objectStore('conversations').put(head), transaction.objectStore('turns').put(turns, head.id), transaction.done]);
  return all;
}

export async function deleteConversation(id: string): Promise<void> {
  const transaction = (await database()).transaction(['conversations', 'turns'], 'readwrite');
  await Promise.all([transaction.objectStore('conversations').delete(id), transaction.objectStore('turns').delete(id), transaction.done]);
}

export async function deleteAllConversations(): Promise<void> {
  const transaction = (await database()).transaction(['conversations', 'turns'], 'readwrite');
  await Promise.all([transaction.objectStore('conversations').clear(), transaction.objectStore('turns').clear(), transaction.done]);
}

/** The ids of the conversations that contain a text, in upper or lower case. */
export async function searchConversations(text: string): Promise<Set<string>> {
  const wanted = text.toLocaleLowerCase();
  const found = new Set<string>();
  const db = await database();
  for (const { id, title } of await db.getAll('conversations')) if (title.toLocaleLowerCase().includes(wanted)) found.add(id);
  // One at a time: all conversations together may be too large for the memory.
  for (let cursor = await db.transaction('turns').store.openCursor(); cursor; cursor = await cursor.continue()) {
    if (cursor.value.some((turn) => turn.text.toLocaleLowerCase().includes(wanted))) found.add(cursor.key);
  }
  return found;
}
