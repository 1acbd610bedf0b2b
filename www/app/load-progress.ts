// The progress of a load in words.

import type { LoadProgress } from 'gemma-web';
import { megabytes } from './format.js';
import { t } from './strings.js';

/** The step that a load is at. */
export function phaseOf(progress: LoadProgress | undefined): string {
  if (!progress) return t.loading.starting;
  const { phase, paused, loaded, total, cached } = progress;
  if (phase === 'waiting') return t.loading.waiting;
  if (paused) return t.loading[paused];
  if (loaded === total) return t.loading.preparing;
  return cached > 0 && cached === loaded ? t.loading.reading : t.loading.fetching;
}

/** Amount, speed and time left, as far as they are known. */
export function figuresOf(progress: LoadProgress | undefined): readonly string[] {
  if (!progress || progress.loaded === 0) return [];
  const { loaded, total, bytesPerSecond, etaSeconds, paused } = progress;
  const figures = [t.loading.of(megabytes(loaded), total === null ? undefined : megabytes(total))];
  if (paused || loaded === total) return figures;
  if (bytesPerSecond > 0) figures.push(t.loading.speed(megabytes(bytesPerSecond)));
  if (etaSeconds !== null) figures.push(t.loading.left(etaSeconds < 90 ? t.loading.seconds(Math.ceil(etaSeconds)) : t.loading.minutes(Math.round(etaSeconds / 60))));
  return figures;
}
