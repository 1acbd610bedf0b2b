// The model: what may be chosen, what is being loaded, what is there.

import { batch, computed, signal } from '@preact/signals';
import { cache, type CacheEntry, type Gemma, GemmaError, type Inspection, inspect, loadGemma, type LoadProgress, type ModelSource, probe, type Probe } from 'gemma-web';
import { CATALOGUE } from '../catalogue.js';
import { explain, type Offer, offeredModels } from '../format.js';
import { recall, remember, settings } from './settings.js';

/** A model somebody chose. */
export interface Choice {
  readonly name: string;
  readonly source: ModelSource;
  readonly licence?: string | undefined;
  /** Bytes as far as they are known before the header is read. */
  readonly bytes?: number | undefined;
}

/** Where the choice of a model stands. */
export type Stage =
  | { readonly at: 'choosing' }
  | { readonly at: 'inspecting'; readonly choice: Choice }
  | { readonly at: 'reviewing'; readonly choice: Choice; readonly inspection: Inspection }
  | { readonly at: 'loading'; readonly choice: Choice; readonly progress: LoadProgress | undefined }
  | { readonly at: 'failed'; readonly choice: Choice; readonly error: Failure };

export interface Failure {
  readonly code: string;
  readonly message: string;
}

export interface Loaded {
  readonly choice: Choice;
  readonly gemma: Gemma;
}

export const stage = signal<Stage>({ at: 'choosing' });
export const loaded = signal<Loaded | undefined>(undefined);
export const verdict = signal<Probe | undefined>(undefined);
export const kept = signal<readonly CacheEntry[] | undefined>(undefined);
export const offers = signal<readonly Offer[]>([]);
/** The model whose graphics card went away, while it is loaded again; what is being answered goes on by itself. */
export const recovering = signal<string | undefined>(undefined);
/** What the reader may go on with at once: the model that was lost for good, or that the last visit had. */
export const again = signal<Choice | undefined>(undefined);
/** Whether the model can be asked. */
export const ready = computed(() => loaded.value !== undefined);

let under: AbortController | undefined;

/** What the page goes on with after it was closed: in this browser, and in this tab. */
interface Last {
  readonly name: string;
  readonly source: string;
  readonly licence?: string | undefined;
  /** How often it was begun without an end; 0: it is loaded, or was given up. */
  readonly tries: number;
}
/** A load that ends its tab each time is not begun for ever. */
const MOST_TRIES = 3;
const LAST = 'gemma-web:model';
const inTab = (): Storage => sessionStorage;

export const failureOf = (error: unknown): Failure | undefined => {
  const message = explain(error);
  if (message === undefined) return undefined;
  return error instanceof GemmaError ? { code: error.code, message: error.message } : { code: 'internal', message };
};

/** Looks at this device, at what is kept, and at what the page's own server has. */
export async function lookAround(): Promise<void> {
  void probe().then((found) => void (verdict.value = found));
  void offeredModels().then((found) => void (offers.value = found));
  await refreshKept();
}

export async function refreshKept(): Promise<void> {
  kept.value = await cache.list().catch(() => []);
}

/** Goes on with a load that the last page did not finish, or with the model this tab had. */
export function resume(): void {
  const last = recall<Last>(LAST);
  const here = recall<{ source: string }>(LAST, inTab);
  if (!last.source || !last.name) return;
  again.value = { name: last.name, source: last.source, licence: last.licence };
  if ((last.tries ? last.tries >= MOST_TRIES : here.source !== last.source)) return;
  void load(again.value);
}

/** Reads the header of what was chosen: what it would take, before anything is loaded. */
export async function review(choice: Choice): Promise<void> {
  const { signal } = begin();
  stage.value = { at: 'inspecting', choice };
  try {
    const contextLength = settings.value.contextLength ?? undefined;
    const inspection = await inspect(choice.source, { signal, contextLength });
    stage.value = { at: 'reviewing', choice, inspection };
  } catch (error) {
    if (!signal.aborted) fail(choice, error);
  }
}

/** Loads what was chosen, in place of the model that is there. */
export async function load(choice: Choice): Promise<boolean> {
  const { signal } = begin();
  batch(() => {
    unload();
    stage.value = { at: 'loading', choice, progress: undefined };
  });
  rememberLast(choice, true);
  try {
    let there = false;
    const onProgress = (progress: LoadProgress): void => {
      if (there && progress.phase === 'ready') recovering.value = undefined;
      if (!there && !signal.aborted) stage.value = { at: 'loading', choice, progress };
    };
    const onDeviceLost = (): void => void (there && (recovering.value = choice.name));
    const contextLength = settings.value.contextLength ?? undefined;
    const gemma = await loadGemma(choice.source, { signal, onProgress, onDeviceLost, contextLength });
    there = true;
    batch(() => {
      loaded.value = { choice, gemma };
      again.value = undefined;
      stage.value = { at: 'choosing' };
    });
    rememberLast(choice, false);
    void refreshKept();
    return true;
  } catch (error) {
    rememberLast(choice, false);
    void refreshKept();
    if (!signal.aborted) fail(choice, error);
    return false;
  }
}

/** Ends what is under way; bytes that arrived stay. */
export function cancel(): void {
  under?.abort();
  under = undefined;
  stage.value = { at: 'choosing' };
}

export function unload(): void {
  loaded.value?.gemma.dispose();
  loaded.value = recovering.value = undefined;
  remember(LAST, {}, inTab);
}

/** A model went away with its GPU and did not come back; it can be loaded again. */
export function lost(model: Loaded): void {
  // Another one may be there by now.
  if (loaded.value !== model) return;
  batch(() => {
    unload();
    again.value = model.choice;
  });
}

/** A model that is kept, as it can be chosen. */
export function choiceOf({ url, size }: CacheEntry): Choice {
  const file = fileOf(url);
  const known = CATALOGUE.find(({ source }) => fileOf(source) === file);
  return { name: known?.name ?? nameOf(file), source: url, bytes: size, licence: known?.licence };
}

export const fileOf = (address: string): string => decodeURIComponent(address.split(/[?#]/, 1)[0]?.split('/').at(-1) ?? address);

/** A file's name as people read it: `gemma-3-270m-q4_k_m.gguf` is Gemma 3 270M. */
export function nameOf(file: string): string {
  const bare = file.replace(/\.gguf$/i, '').replace(/[-_.](?:q\d\w*|f16|bf16|f32|iq\d\w*)$/i, '');
  if (!/^(?:google_)?gemma/i.test(bare)) return bare;
  const words = bare.replace(/^google_/i, '').split(/[-_]/);
  return words.map((word) => (/^\d+[bm]$/i.test(word) ? word.toUpperCase() : word.replace(/^gemma/i, 'Gemma'))).join(' ');
}

function begin(): AbortController {
  under?.abort();
  return (under = new AbortController());
}

function fail(choice: Choice, error: unknown): void {
  const failure = failureOf(error);
  stage.value = failure ? { at: 'failed', choice, error: failure } : { at: 'choosing' };
}

/** Files can't be opened again by their names, so only addresses are remembered. */
function rememberLast({ name, source, licence }: Choice, unfinished: boolean): void {
  if (typeof source !== 'string') return remember(LAST, {});
  const last = recall<Last>(LAST);
  const tries = unfinished ? 1 + (last.source === source ? (last.tries ?? 0) : 0) : 0;
  remember(LAST, { name, source, licence, tries } satisfies Last);
  remember(LAST, unfinished ? {} : { source }, inTab);
}
