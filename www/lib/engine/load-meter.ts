// From what the engine says about a load to what a page is told.

import type { LoadProgress } from '../types/model.js';

/** What the engine says: `loaded` went to the GPU, `cached` and `fetched` came from the cache and from the network. */
export interface EngineReport {
  readonly phase: 'header' | 'weights' | 'ready';
  readonly loaded: number;
  readonly total: number | null;
  readonly cached: number;
  readonly fetched: number;
  readonly waiting: 'offline' | 'retrying' | null;
}

/** The speed is that of so many milliseconds. */
const WINDOW_MS = 5000;

/** Makes the reports of one load: bytes never go back, and the speed is a recent one. */
export class Meter {
  #loaded = 0;
  readonly #seen: { readonly at: number; readonly loaded: number }[] = [];

  /** The report at a time, in milliseconds. */
  report({ phase, loaded, total, cached, fetched, waiting }: EngineReport, at: number): LoadProgress {
    // What has arrived shows sooner than what is on the GPU, and moves evenly on a slow line.
    const arrived = phase === 'ready' && total !== null ? total : Math.max(loaded, cached + fetched);
    this.#loaded = Math.max(this.#loaded, Math.min(arrived, total ?? arrived));
    const bytesPerSecond = this.#speed(at);
    const left = total === null ? null : total - this.#loaded;
    const etaSeconds = left === 0 ? 0 : left === null || bytesPerSecond === 0 ? null : left / bytesPerSecond;
    return { phase, loaded: this.#loaded, total, cached, bytesPerSecond, etaSeconds, paused: waiting };
  }

  #speed(at: number): number {
    this.#seen.push({ at, loaded: this.#loaded });
    // One report from before the window stays, so that there is something to compare with.
    while ((this.#seen[1]?.at ?? at) < at - WINDOW_MS) this.#seen.shift();
    const first = this.#seen[0];
    return first === undefined || at <= first.at ? 0 : (1000 * (this.#loaded - first.loaded)) / (at - first.at);
  }
}

/** While another tab loads the same model. */
export const WAITING: LoadProgress = { phase: 'waiting', loaded: 0, total: null, cached: 0, bytesPerSecond: 0, etaSeconds: null, paused: null };
