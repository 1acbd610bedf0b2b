// What the reader has set, kept in this browser.

import { effect, signal } from '@preact/signals';
import type { GenerateDefaults, GenerateOptions } from 'gemma-web';

export type Theme = 'system' | 'light' | 'dark';

export interface Settings {
  readonly theme: Theme;
  /** What new conversations begin with. */
  readonly system: string;
  /** Tokens the context holds; null: as many as the library takes. Counts from the next load on. */
  readonly contextLength: number | null;
  readonly maxTokens: number;
  readonly seed: number | null;
  /** Only what differs from the model's own values. */
  readonly sampling: Partial<Sampling>;
}

export type Sampling = Pick<GenerateDefaults, 'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty'>;

export const DEFAULTS: Settings = { theme: 'system', system: '', contextLength: null, maxTokens: 1024, seed: null, sampling: {} };

const KEY = 'gemma-web:settings';

/** What a browser kept; nothing where it keeps nothing, or something else than was written. */
export function recall<T extends object>(key: string, storage: () => Storage = () => localStorage): Partial<T> {
  try {
    const value: unknown = JSON.parse(storage().getItem(key) ?? '{}');
    return typeof value === 'object' && value !== null ? (value as Partial<T>) : {};
  } catch {
    return {};
  }
}

export function remember(key: string, value: object, storage: () => Storage = () => localStorage): void {
  try {
    storage().setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or switched off: the page works, it only forgets.
  }
}

export const settings = signal<Settings>({ ...DEFAULTS, ...recall<Settings>(KEY) });

export function set(changes: Partial<Settings>): void {
  settings.value = { ...settings.value, ...changes };
}

/** The options of a generation. */
export function generateOptions({ maxTokens, seed, sampling }: Settings): GenerateOptions {
  return { ...sampling, maxTokens, ...(seed === null ? {} : { seed }) };
}

/** Applies and keeps what is set. */
export function startSettings(): void {
  effect(() => {
    remember(KEY, settings.value);
    document.documentElement.dataset['theme'] = settings.value.theme;
  });
}
