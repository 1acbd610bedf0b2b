// Progress of a load: from the engine's reports to those that a page receives.

import type { LoadProgress } from '../types/load.js';

/** A report of the engine: bytes that went to the GPU (`loaded`) and that came from the cache and from the network. */
export interface LoadReport {
  readonly phase: 'header' | 'weights' | 'ready';
  readonly loaded: number;
  readonly total: number | null;
  readonly cached: number;
  readonly fetched: number;
  readonly waiting: 'offline' | 'retrying' | null;
}

/** Time over which the speed is measured. */
const WINDOW_MS = 5000;

/** Meter of one load: its bytes never decrease, and its speed is a recent one. */
export class LoadMeter {
  #loaded = 0;
  readonly #seen: { readonly at: number; readonly loaded: number }[] = [];

  /** The progress at a time, in milliseconds. */
  report({ phase, loaded, total, cached, fetched, waiting }: LoadReport, at: number): LoadProgress {
    // Bytes that have arrived show sooner than bytes on the GPU, and grow evenly on a slow line.
    const arrived = phase === 'ready' && total !== null ? total : Math.max(loaded, cached + fetched);
    this.#loaded = Math.max(this.#loaded, Math.min(arrived, total ?? arrived));
    const bytesPerSecond = this.#speed(at);
    const left = total === null ? null : total - this.#loaded;
    const etaSeconds = left === 0 ? 0 : left === null || bytesPerSecond === 0 ? null : left / bytesPerSecond;
    return { phase, loaded: this.#loaded, total, cached, bytesPerSecond, etaSeconds, paused: waiting };
  }

  #speed(at: number): number {
    this.#seen.push({ at, loaded: this.#loaded });
    // One report from before the window stays, to compare with.
    while ((this.#seen[1]?.at ?? at) < at - WINDOW_MS) this.#seen.shift();
    const first = this.#seen[0];
    return first === undefined || at <= first.at ? 0 : (1000 * (this.#loaded - first.loaded)) / (at - first.at);
  }
}

/** Progress while another tab loads the same model. */
export const WAITING: LoadProgress = { phase: 'waiting', loaded: 0, total: null, cached: 0, bytesPerSecond: 0, etaSeconds: null, paused: null };
