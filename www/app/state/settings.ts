// The reader's settings, stored in this browser.

import { effect, signal } from '@preact/signals';
import type { GenerateDefaults, GenerateOptions } from 'gemma-web';

export type Theme = 'system' | 'light' | 'dark';

export interface Settings {
  readonly theme: Theme;
  /** The instructions of new conversations. */
  readonly system: string;
  /** Tokens of the context; null: the library's default. Takes effect at the next load. */
  readonly contextLength: number | null;
  readonly maxTokens: number;
  readonly seed: number | null;
  /** Only the values that differ from the model's own. */
  readonly sampling: Partial<Sampling>;
}

export type Sampling = Pick<GenerateDefaults, 'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty'>;

export const DEFAULTS: Settings = { theme: 'system', system: '', contextLength: null, maxTokens: 1024, seed: null, sampling: {} };

const KEY = 'gemma-web:settings';

/** A stored value; empty if the browser stored nothing, or if it holds something else. */
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
    // Storage is full or switched off: the page works without it.
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

/** Applies and stores the settings whenever they change. */
export function startSettings(): void {
  effect(() => {
    remember(KEY, settings.value);
    document.documentElement.dataset['theme'] = settings.value.theme;
  });
}
