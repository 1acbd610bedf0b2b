// Saved sessions: under a name in the origin's private file system, or in a Blob.

import { GemmaError } from '../shared/errors.js';
import { messageOf } from '../shared/shown.js';
import { exceptionName, type IterableDirectory, packageDirectory, SESSIONS_DIRECTORY, subdirectory } from '../shared/storage.js';
import type { Message } from '../types/generate.js';
import { checkMessages, invalidOption } from './validate.js';

/** A conversation saved by {@link Session.save}. */
export interface SavedSession {
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
}

/** The conversations saved in this origin's private file system: none if the browser has no such file system. */
export interface SavedSessions {
  /** Lists the sessions, sorted by name. */
  list(): Promise<SavedSession[]>;
  /** Deletes a session; resolves to false if there is none of that name. */
  delete(name: string): Promise<boolean>;
  /** Deletes all sessions. */
  clear(): Promise<void>;
}

const ENDING = '.session';
const MAX_NAME_BYTES = 100;

/** The conversations saved in this origin's private file system. */
export const savedSessions: SavedSessions = {
  async list() {
    const found: SavedSession[] = [];
    for await (const [file, handle] of (await directory(false))?.entries() ?? []) {
      const name = sessionName(file);
      if (name !== undefined && handle.kind === 'file') found.push({ name, size: (await (handle as FileSystemFileHandle).getFile()).size });
    }
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  },
  async delete(name) {
    const file = fileName(name);
    try {
      await (await directory(false))?.removeEntry(file);
    } catch (thrown) {
      if (exceptionName(thrown) === 'NotFoundError') return false;
      throw failed(`deleting the session "${name}"`, thrown);
    }
    return (await directory(false)) !== undefined;
  },
  async clear() {
    const names: string[] = [];
    const all = await directory(false);
    for await (const [file] of all?.entries() ?? []) names.push(file);
    for (const file of names) await all?.removeEntry(file);
  },
};

/** Saves a conversation under a name. */
export async function saveSession(to: { readonly name: string }, blob: Blob): Promise<void> {
  const file = fileName(to.name);
  const what = `saving the session "${to.name}"`;
  try {
    const sessions = await directory(true);
    if (!sessions) throw new Error('this page has no private file system: it is not served securely, or the browser has none');
    const writable = await (await sessions.getFileHandle(file, { create: true })).createWritable();
    // An older file of that name stays as it was until everything is written.
    await blob.stream().pipeTo(writable);
  } catch (thrown) {
    throw failed(what, thrown);
  }
}

/** The conversation saved under a name. */
export async function openSavedSession(from: { readonly name: string }): Promise<Blob> {
  const file = fileName(from.name);
  const handle = await (await directory(false))?.getFileHandle(file).catch(() => undefined);
  if (!handle) throw invalidOption('name', from.name, 'the name of a saved session, see savedSessions.list()');
  return handle.getFile();
}

async function directory(create: boolean): Promise<IterableDirectory | undefined> {
  const parent = await packageDirectory(create);
  return parent && subdirectory(parent, SESSIONS_DIRECTORY, create);
}

/** File name of a session: the bytes of its name in hexadecimal, which every file system accepts. */
function fileName(name: unknown): string {
  const bytes = typeof name === 'string' && !/\p{Surrogate}/u.test(name) ? new TextEncoder().encode(name) : [];
  if (bytes.length === 0 || bytes.length > MAX_NAME_BYTES) throw invalidOption('name', name, `text of 1 to ${MAX_NAME_BYTES} bytes in UTF-8`);
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('') + ENDING;
}

function sessionName(file: string): string | undefined {
  if (!file.endsWith(ENDING)) return undefined;
  const bytes = file.slice(0, -ENDING.length).match(/../g) ?? [];
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16)));
}

function failed(what: string, thrown: unknown): GemmaError {
  const why = messageOf(thrown);
  const full = exceptionName(thrown) === 'QuotaExceededError';
  const remedy = full ? 'delete other sessions or models' : 'save() without a name gives a Blob to keep elsewhere';
  return new GemmaError(full ? 'quota_exceeded' : 'storage', `${what} failed: ${why}; ${remedy}`, { what, why });
}

// The engine does not know the history of a conversation that the page renders with a template of its own. Such a history follows the engine's
// bytes: as JSON, then its length in four bytes, then the eight bytes of the marker.

const MARKER = 'GWTURNS1';

/** A saved conversation, followed by the history that the page kept. */
export function appendHistory(computed: Blob, history: readonly Message[]): Blob {
  const json = new TextEncoder().encode(JSON.stringify(history));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, json.byteLength, true);
  return new Blob([computed, json, length.buffer, MARKER]);
}

/** The two parts that {@link appendHistory} joined; no history if the engine knows it. */
export async function splitHistory(blob: Blob): Promise<{ computed: Blob; history: Message[] | undefined }> {
  const end = new Uint8Array(await blob.slice(-12).arrayBuffer());
  if (end.byteLength < 12 || new TextDecoder().decode(end.subarray(4)) !== MARKER) return { computed: blob, history: undefined };
  const length = new DataView(end.buffer).getUint32(0, true);
  const at = blob.size - 12 - length;
  try {
    const history = checkMessages('history', JSON.parse(await blob.slice(Math.max(at, 0), -12).text()));
    return { computed: blob.slice(0, at), history };
  } catch {
    throw new GemmaError('malformed', 'the saved session is damaged: its history is no list of messages; start a new session', { what: 'the history of a saved session' });
  }
}
