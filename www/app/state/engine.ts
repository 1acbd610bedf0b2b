// The model: the choice, the load, and the one that is loaded.

import { batch, computed, signal } from '@preact/signals';
import { cache, type CacheEntry, type Gemma, type Inspection, inspect, loadGemma, type LoadProgress, type ModelSource, probe, type Probe } from 'gemma-web';
import { CATALOGUE } from '../catalogue.js';
import { type Failure, failureOf } from '../failure.js';
import { type OfferedModel, offeredModels } from '../offered-models.js';
import { recall, remember, settings } from './settings.js';

/** A model that the reader chose. */
export interface Choice {
  readonly name: string;
  readonly source: ModelSource;
  readonly licence?: string | undefined;
  /** Bytes as far as they are known before the header is read. */
  readonly bytes?: number | undefined;
}

/** The step between choosing a model and having it loaded. */
export type Stage =
  | { readonly at: 'choosing' }
  | { readonly at: 'inspecting'; readonly choice: Choice }
  | { readonly at: 'reviewing'; readonly choice: Choice; readonly inspection: Inspection }
  | { readonly at: 'loading'; readonly choice: Choice; readonly progress: LoadProgress | undefined }
  | { readonly at: 'failed'; readonly choice: Choice; readonly error: Failure };

export interface Loaded {
  readonly choice: Choice;
  readonly gemma: Gemma;
}

export const stage = signal<Stage>({ at: 'choosing' });
export const loaded = signal<Loaded | undefined>(undefined);
export const verdict = signal<Probe | undefined>(undefined);
export const cachedModels = signal<readonly CacheEntry[] | undefined>(undefined);
export const offered = signal<readonly OfferedModel[]>([]);
/** The name of the model that is loading again after its graphics card went away. An answer that was being written continues by itself. */
export const recovering = signal<string | undefined>(undefined);
/** The model to offer first: the one that was lost for good, or that of the last visit. */
export const previous = signal<Choice | undefined>(undefined);
/** Whether the model can be asked. */
export const ready = computed(() => loaded.value !== undefined);

let operation: AbortController | undefined;

/** The model that the page loads by itself after it was closed: in this browser, and in this tab. */
interface Last {
  readonly name: string;
  readonly source: string;
  readonly licence?: string | undefined;
  /** Loads that were begun and did not end; 0: it is loaded, or was given up. */
  readonly tries: number;
}
/** Limit for a load that crashes its tab each time. */
const MOST_TRIES = 3;
const LAST = 'gemma-web:model';
const inTab = (): Storage => sessionStorage;

/** Probes this device, lists the stored models, and asks the page's own server for its models. */
export async function discover(): Promise<void> {
  void probe().then((found) => void (verdict.value = found));
  void offeredModels().then((found) => void (offered.value = found));
  await refreshCachedModels();
}

export async function refreshCachedModels(): Promise<void> {
  cachedModels.value = await cache.list().catch(() => []);
}

/** Continues a load that the last page did not finish, or loads the model that this tab had. */
export function resume(): void {
  const last = recall<Last>(LAST);
  const here = recall<{ source: string }>(LAST, inTab);
  if (!last.source || !last.name) return;
  previous.value = { name: last.name, source: last.source, licence: last.licence };
  if ((last.tries ? last.tries >= MOST_TRIES : here.source !== last.source)) return;
  void load(previous.value);
}

/** Reads the header of a model and tells what it needs, before anything is loaded. */
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

/** Loads a model in place of the one that is loaded. */
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
      previous.value = undefined;
      stage.value = { at: 'choosing' };
    });
    rememberLast(choice, false);
    void refreshCachedModels();
    return true;
  } catch (error) {
    rememberLast(choice, false);
    void refreshCachedModels();
    if (!signal.aborted) fail(choice, error);
    return false;
  }
}

/** Ends the review or load that is under way; the bytes that arrived stay. */
export function cancel(): void {
  operation?.abort();
  operation = undefined;
  stage.value = { at: 'choosing' };
}

export function unload(): void {
  loaded.value?.gemma.dispose();
  loaded.value = recovering.value = undefined;
  remember(LAST, {}, inTab);
}

/** Unloads a model whose GPU is gone for good, and offers to load it again. */
export function lost(model: Loaded): void {
  // Another one may be loaded by now.
  if (loaded.value !== model) return;
  batch(() => {
    unload();
    previous.value = model.choice;
  });
}

/** The choice of a stored model. */
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
  operation?.abort();
  return (operation = new AbortController());
}

function fail(choice: Choice, error: unknown): void {
  const failure = failureOf(error);
  stage.value = failure ? { at: 'failed', choice, error: failure } : { at: 'choosing' };
}

/** Remembers addresses only: a file can't be opened again by its name. */
function rememberLast({ name, source, licence }: Choice, unfinished: boolean): void {
  if (typeof source !== 'string') return remember(LAST, {});
  const last = recall<Last>(LAST);
  const tries = unfinished ? 1 + (last.source === source ? (last.tries ?? 0) : 0) : 0;
  remember(LAST, { name, source, licence, tries } satisfies Last);
  remember(LAST, unfinished ? {} : { source }, inTab);
}
