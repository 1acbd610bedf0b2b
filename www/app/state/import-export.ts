// Conversations as files: JSON holds everything, Markdown one branch to read and to import again.

import { list, refresh, save } from './chats.js';
import { readConversation } from './database.js';
import { add, branchOf, type Conversation, newConversation, newId, type Turn } from './tree.js';
import { t } from '../strings.js';

const FORMAT = 'gemma-web-conversations';
/** Largest file that is read. */
const MOST_BYTES = 256 * 2 ** 20;

export function toJson(conversations: readonly Conversation[]): string {
  return JSON.stringify({ format: FORMAT, version: 1, conversations }, undefined, 1);
}

/** The branch that is shown. Comments separate the turns, whatever they contain. */
export function toMarkdown(conversation: Conversation): string {
  const head = [`# ${conversation.title}`, ...(conversation.system ? [`<!-- system -->\n${guard(conversation.system)}`] : [])];
  const turns = branchOf(conversation).map(({ role, text }) => `<!-- ${role} -->\n${guard(text)}`);
  return `${[...head, ...turns].join('\n\n')}\n`;
}

const guard = (text: string): string => text.replace(/^(\\*<!-- (?:system|user|assistant) -->)$/gm, '\\$1');
const unguard = (text: string): string => text.replace(/^\\(\\*<!-- (?:system|user|assistant) -->)$/gm, '$1');

export async function exportAll(): Promise<string> {
  const all = await Promise.all((list.value ?? []).map(({ id }) => readConversation(id)));
  return toJson(all.filter((conversation) => conversation !== undefined));
}

/** Adds the conversations of a file to those that are stored; returns their number. */
export async function importFile(file: File): Promise<number> {
  if (file.size > MOST_BYTES) throw new Error(t.importExport.tooLarge);
  const text = await file.text();
  const found = /\.(?:md|markdown|txt)$/i.test(file.name) ? [fromMarkdown(text)] : fromJson(text);
  for (const conversation of found) await save(conversation);
  await refresh();
  return found.length;
}

function parse(text: string): { readonly format?: unknown; readonly conversations?: unknown } | null {
  try {
    return JSON.parse(text) as ReturnType<typeof parse>;
  } catch {
    throw new Error(t.importExport.notConversations);
  }
}

export function fromJson(text: string): Conversation[] {
  const file = parse(text);
  if (file?.format !== FORMAT || !Array.isArray(file.conversations)) throw new Error(t.importExport.notConversations);
  return file.conversations.map(checked);
}

/** A value of unknown origin as a conversation. It gets a new id, so that it replaces none. */
function checked(value: unknown): Conversation {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const turns = Array.isArray(given['turns']) ? given['turns'].map(checkedTurn) : [];
  const ids = new Set(turns.map(({ id }) => id));
  if (ids.size !== turns.length || turns.some(({ parent }) => parent !== null && !ids.has(parent))) throw new Error(t.importExport.torn);
  const leaf = typeof given['leaf'] === 'string' && ids.has(given['leaf']) ? given['leaf'] : (turns.at(-1)?.id ?? null);
  const now = Date.now();
  return {
    id: newId(),
    title: text(given['title']),
    kind: given['kind'] === 'text' ? 'text' : 'chat',
    created: number(given['created'], now),
    updated: number(given['updated'], now),
    system: text(given['system']),
    leaf,
    turns,
  };
}

function checkedTurn(value: unknown): Turn {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<keyof Turn, unknown>>;
  const { id, parent, role } = given;
  if (typeof id !== 'string' || (role !== 'user' && role !== 'assistant') || typeof given.text !== 'string') throw new Error(t.importExport.badTurn);
  return { id, parent: typeof parent === 'string' ? parent : null, role, text: given.text, at: number(given.at, Date.now()), ...(typeof given.model === 'string' ? { model: given.model } : {}) };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown, otherwise: number): number => (typeof value === 'number' && Number.isFinite(value) ? value : otherwise);

export function fromMarkdown(file: string): Conversation {
  const parts = file.replace(/\r\n/g, '\n').split(/^<!-- (system|user|assistant) -->$/m);
  const title = /^# (.*)$/m.exec(parts[0] ?? '')?.[1] ?? '';
  let conversation: Conversation = { ...newConversation('chat'), title };
  for (let at = 1; at + 1 < parts.length; at += 2) {
    const [role, body] = [parts[at], unguard((parts[at + 1] ?? '').trim())];
    if (role === 'system') conversation = { ...conversation, system: body };
    else conversation = add(conversation, { id: newId(), parent: conversation.leaf, role: role === 'user' ? 'user' : 'assistant', text: body, at: Date.now() });
  }
  if (conversation.turns.length === 0) throw new Error(t.importExport.empty);
  return conversation;
}

/** Offers a text to the reader as a file. */
export function download(name: string, type: string, content: string | Blob): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The name of a file for a title. */
export const fileName = (title: string, ending: string): string => `${title.replace(/[^\p{L}\p{N} _-]+/gu, '').trim().slice(0, 60) || 'conversation'}.${ending}`;
