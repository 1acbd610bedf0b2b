// Broken model files, made from a sound one by changing as little as possible.

import { readFileSync } from 'node:fs';

/** A copy with every occurrence of `from` replaced by `to`, which must be as long. */
function replaced(file: Buffer, from: string, to: string): Buffer {
  if (from.length !== to.length) throw new Error(`"${from}" and "${to}" differ in length`);
  const copy = Buffer.from(file);
  let count = 0;
  for (let at = copy.indexOf(from); at >= 0; at = copy.indexOf(from, at + 1)) {
    copy.write(to, at, 'latin1');
    count += 1;
  }
  if (count === 0) throw new Error(`the file has no "${from}"`);
  return copy;
}

/** A copy in which the two dimensions of a matrix are swapped: as many bytes, another shape. */
function swappedShape(file: Buffer, tensor: string): Buffer {
  const copy = Buffer.from(file);
  // In the tensor table: name, u32 count of dimensions, u64 for each.
  const at = copy.indexOf(tensor) + tensor.length;
  if (copy.readUInt32LE(at) !== 2) throw new Error(`${tensor} is not a matrix`);
  const [inner, outer] = [copy.readBigUInt64LE(at + 4), copy.readBigUInt64LE(at + 12)];
  if (inner === outer) throw new Error(`${tensor} is square`);
  copy.writeBigUInt64LE(outer, at + 4);
  copy.writeBigUInt64LE(inner, at + 12);
  return copy;
}

/** A broken file, the code it must be refused with, and the details that must name the thing. */
export interface BrokenFile {
  readonly name: string;
  readonly bytes: Buffer;
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Broken files made from a Gemma 1 model. */
export function brokenFiles(path: string): BrokenFile[] {
  const sound = readFileSync(path);
  return [
    { name: 'web-page.gguf', bytes: Buffer.from('<!doctype html><title>Not here</title>'), code: 'not_gguf', details: {} },
    { name: 'empty.gguf', bytes: Buffer.alloc(0), code: 'truncated', details: { has: 0 } },
    { name: 'half.gguf', bytes: sound.subarray(0, sound.length >> 1), code: 'truncated', details: {} },
    {
      name: 'llama.gguf',
      bytes: replaced(sound, 'gemma', 'llama'),
      code: 'unsupported_architecture',
      details: { found: 'llama' },
    },
    {
      name: 'no-query.gguf',
      bytes: replaced(sound, 'blk.1.attn_q.weight', 'blk.1.attn_x.weight'),
      code: 'missing_tensor',
      details: { tensor: 'blk.1.attn_q.weight' },
    },
    {
      name: 'wrong-shape.gguf',
      bytes: swappedShape(sound, 'blk.0.attn_q.weight'),
      code: 'wrong_shape',
      details: { tensor: 'blk.0.attn_q.weight' },
    },
  ];
}
