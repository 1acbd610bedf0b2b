// Conversations that were saved: under a name in the origin's private files, at gemma-web/sessions/NAME, or in a Blob.

import { GemmaError } from '../shared/errors.js';
import type { Message } from '../types/generate.js';
import { checkMessages, invalidOption } from './validate.js';

/** A conversation kept by {@link Session.save}. */
export interface SavedSession {
  readonly name: string;
  /** Its bytes. */
  readonly size: number;
}

/** The conversations kept in this origin's private files. Where the browser keeps none, there are none. */
export interface SavedSessions {
  /** What there is, in the order of names. */
  list(): Promise<SavedSession[]>;
  /** Deletes one; false where there is none of that name. */
  delete(name: string): Promise<boolean>;
  /** Deletes all. */
  clear(): Promise<void>;
}

/** The folder beside those of the cache. */
export const SESSIONS = 'sessions';
const ENDING = '.session';
const MOST_BYTES = 100;

/** The conversations kept in this origin's private files. */
export const savedSessions: SavedSessions = {
  async list() {
    const found: SavedSession[] = [];
    for await (const [file, handle] of (await folder(false))?.entries() ?? []) {
      const name = nameOf(file);
      if (name !== undefined && handle.kind === 'file') found.push({ name, size: (await (handle as FileSystemFileHandle).getFile()).size });
    }
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  },
  async delete(name) {
    const file = fileOf(name);
    try {
      await (await folder(false))?.removeEntry(file);
    } catch (thrown) {
      if (isMissing(thrown)) return false;
      throw failed(`deleting the session "${name}"`, thrown);
    }
    return (await folder(false)) !== undefined;
  },
  async clear() {
    const names: string[] = [];
    const all = await folder(false);
    for await (const [file] of all?.entries() ?? []) names.push(file);
    for (const file of names) await all?.removeEntry(file);
  },
};

/** Keeps a conversation under a name. */
export async function storeSession(to: { readonly name: string }, blob: Blob): Promise<void> {
  const file = fileOf(to.name);
  const what = `saving the session "${to.name}"`;
  try {
    const sessions = await folder(true);
    if (!sessions) throw new Error('this page has no private file system: it is not served securely, or the browser has none');
    const writable = await (await sessions.getFileHandle(file, { create: true })).createWritable();
    // The file of that name stays as it was until everything is written.
    await blob.stream().pipeTo(writable);
  } catch (thrown) {
    throw failed(what, thrown);
  }
}

/** The conversation kept under a name. */
export async function openSaved(from: { readonly name: string }): Promise<Blob> {
  const file = fileOf(from.name);
  const handle = await (await folder(false))?.getFileHandle(file).catch(() => undefined);
  if (!handle) throw invalidOption('name', from.name, 'the name of a saved session, see savedSessions.list()');
  return handle.getFile();
}

/** The folder as it is iterated; lib.dom doesn't have it. */
type Folder = FileSystemDirectoryHandle & { entries(): AsyncIterable<[string, FileSystemHandle]> };

async function folder(create: boolean): Promise<Folder | undefined> {
  // Absent on pages that are not served securely and outside of browsers, whatever the types say.
  const manager = (globalThis.navigator as Partial<Navigator> | undefined)?.storage as Partial<StorageManager> | undefined;
  const root = await manager?.getDirectory?.();
  try {
    return (await (await root?.getDirectoryHandle('gemma-web', { create }))?.getDirectoryHandle(SESSIONS, { create })) as Folder | undefined;
  } catch (thrown) {
    if (!create && isMissing(thrown)) return undefined;
    throw thrown;
  }
}

/** A file's name that no file system reads as anything but a name: the bytes of it in hexadecimal. */
function fileOf(name: unknown): string {
  const bytes = typeof name === 'string' && !/\p{Surrogate}/u.test(name) ? new TextEncoder().encode(name) : [];
  if (bytes.length === 0 || bytes.length > MOST_BYTES) throw invalidOption('name', name, `text of 1 to ${MOST_BYTES} bytes in UTF-8`);
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('') + ENDING;
}

function nameOf(file: string): string | undefined {
  if (!file.endsWith(ENDING)) return undefined;
  const bytes = file.slice(0, -ENDING.length).match(/../g) ?? [];
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16)));
}

const isMissing = (thrown: unknown): boolean => thrown instanceof DOMException && thrown.name === 'NotFoundError';

function failed(what: string, thrown: unknown): GemmaError {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  const full = thrown instanceof DOMException && thrown.name === 'QuotaExceededError';
  const remedy = full ? 'delete other sessions or models' : 'save() without a name gives a Blob to keep elsewhere';
  return new GemmaError(full ? 'quota_exceeded' : 'storage', `${what} failed: ${why}; ${remedy}`, { what, why });
}

// The engine knows no history of a conversation in a format of the page's own. It follows what was computed: as JSON, its length in four
// bytes, and eight that say so.

const MARKER = 'GWTURNS1';

/** A saved conversation with the history that the page kept. */
export function withHistory(computed: Blob, history: readonly Message[]): Blob {
  const json = new TextEncoder().encode(JSON.stringify(history));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, json.byteLength, true);
  return new Blob([computed, json, length.buffer, MARKER]);
}

/** What {@link withHistory} joined; no history where the engine knows it. */
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
