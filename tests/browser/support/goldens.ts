// Exact results (tests/data/README.md) and the distance that a GPU may have from them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, TINY } from './site.js';

/** One prompt with its exact result: `top20` and `margins` are rounded, `logits` are not. */
export interface Golden {
  readonly name: string;
  readonly ids: readonly number[];
  readonly greedy: readonly number[];
  /** At each greedy step, the best logit less the second best. */
  readonly margins: readonly number[];
  /** Exact logits of the last position. */
  readonly logits: Float32Array;
}

interface GoldenFile {
  readonly prompts: readonly (Omit<Golden, 'logits'> & { readonly text?: string; readonly row: number })[];
}

/** The goldens of a tiny model, by the name of its file. */
export function tinyGoldens(model: string): Golden[] {
  const name = model.replace(/\.gguf$/, '');
  const { prompts } = JSON.parse(readFileSync(join(TINY, `${name}.json`), 'utf8')) as GoldenFile;
  const rows = readNpy(join(TINY, `${name}.logits.npy`));
  return prompts.map((prompt) => ({ ...prompt, logits: rows[prompt.row] ?? new Float32Array(0) }));
}

/** The prompts of the real model, with their texts. */
export function realGoldens(): (Omit<Golden, 'logits'> & { readonly text?: string })[] {
  const file = JSON.parse(readFileSync(join(ROOT, 'tests/data/real/gemma3-270m.json'), 'utf8')) as GoldenFile;
  return [...file.prompts];
}

/** A two-dimensional array of little-endian f32 as numpy writes it. */
function readNpy(path: string): Float32Array[] {
  const file = readFileSync(path);
  const start = 10 + file.readUInt16LE(8);
  const header = file.toString('latin1', 10, start);
  const match = /'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)\)/.exec(header);
  if (!match) throw new Error(`${path}: unexpected header ${header}`);
  const [rows, columns] = [Number(match[1]), Number(match[2])];
  const values = new Float32Array(file.buffer.slice(file.byteOffset + start, file.byteOffset + start + rows * columns * 4));
  return Array.from({ length: rows }, (_, row) => values.subarray(row * columns, (row + 1) * columns));
}

/** The largest difference; NaN counts as infinite. */
export function worstDifference(found: readonly number[], exact: Float32Array): number {
  if (found.length !== exact.length) throw new Error(`${found.length} logits, expected ${exact.length}`);
  let worst = 0;
  exact.forEach((value, index) => {
    const difference = Math.abs((found[index] ?? Number.NaN) - value);
    worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  });
  return worst;
}

/** Steps of the greedy text that a logit error below `tolerance` cannot change. */
export function certainSteps({ margins }: Pick<Golden, 'margins'>, tolerance: number): number {
  const first = margins.findIndex((margin) => margin < 2 * tolerance);
  return first < 0 ? margins.length : first;
}
