// Model files made from a tiny one: as large as one whose download takes a while, and in shards.
// The container: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

import { readFileSync } from 'node:fs';

/** A metadata key with its type and value, or a tensor with its shape and type, as they stand in the file. */
interface Named {
  readonly name: string;
  readonly rest: Buffer;
}

interface Tensor extends Named {
  readonly data: Buffer;
}

interface Container {
  readonly keys: readonly Named[];
  readonly tensors: readonly Tensor[];
}

const MAGIC = Buffer.from('GGUF\x03\0\0\0', 'latin1');
const ALIGNMENT = 32;
const [TEXT, ARRAY] = [8, 9];
const SIZES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };

const aligned = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

/** Reads front to back. */
class Reader {
  at = 8;
  constructor(readonly bytes: Buffer) {}

  u32(): number {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }

  u64(): number {
    this.at += 8;
    return Number(this.bytes.readBigUInt64LE(this.at - 8));
  }

  text(): string {
    const length = this.u64();
    this.at += length;
    return this.bytes.toString('utf8', this.at - length, this.at);
  }

  /** The bytes that a step passes over. */
  over(step: () => void): Buffer {
    const start = this.at;
    step();
    return this.bytes.subarray(start, this.at);
  }

  value(type: number): void {
    if (type === TEXT) this.text();
    else if (type === ARRAY) for (let [inner, left] = [this.u32(), this.u64()]; left > 0; left -= 1) this.value(inner);
    else this.at += SIZES[type] ?? Number.NaN;
  }

  /** Dimensions and type of a tensor. */
  shape(): void {
    const dims = this.u32();
    this.at += 8 * dims + 4;
  }
}

function parse(path: string): Container {
  const reader = new Reader(readFileSync(path));
  const [nTensors, nKeys] = [reader.u64(), reader.u64()];
  const keys = Array.from({ length: nKeys }, () => ({ name: reader.text(), rest: reader.over(() => reader.value(reader.u32())) }));
  if (keys.some(({ name }) => name === 'general.alignment')) throw new Error('an alignment of its own is not provided for');
  const heads = Array.from({ length: nTensors }, () => ({
    name: reader.text(),
    rest: reader.over(() => reader.shape()),
    offset: reader.u64(),
  }));
  const data = reader.bytes.subarray(aligned(reader.at));
  heads.sort((a, b) => a.offset - b.offset);
  const tensors = heads.map(({ name, rest, offset }, index) => ({ name, rest, data: data.subarray(offset, heads[index + 1]?.offset ?? data.length) }));
  return { keys, tensors };
}

const u64 = (n: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(n));
  return bytes;
};

/** Writes a container, with `gap` bytes of noise before each tensor but the first. */
function write({ keys, tensors }: Container, gap = 0): Buffer {
  const parts = [MAGIC, u64(tensors.length), u64(keys.length)];
  const named = ({ name, rest }: Named): Buffer[] => [u64(Buffer.byteLength(name)), Buffer.from(name), rest];
  for (const key of keys) parts.push(...named(key));
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(...named(tensor), u64(offset));
    offset += aligned(tensor.data.length) + gap;
  }
  const header = Buffer.concat(parts);
  const start = aligned(header.length);
  const file = Buffer.alloc(start + Math.max(0, offset - gap));
  // Noise, so that neither a file system stores less for it nor gzip sends less.
  for (let at = start, state = 1; at + 4 <= file.length && gap > 0; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    file.writeUInt32LE(state, at);
  }
  header.copy(file);
  let at = start;
  for (const { data } of tensors) {
    data.copy(file, at);
    at += aligned(data.length) + gap;
  }
  return file;
}

/** The model in `path` as a file of about `size` bytes: its tensors are moved apart, with noise between them. */
export function spreadOut(path: string, size: number): Buffer {
  const { keys, tensors } = parse(path);
  const sound = write({ keys, tensors });
  return write({ keys, tensors }, aligned(Math.max(0, size - sound.length) / (tensors.length - 1)));
}

/** The model in `path` as `count` files, as llama.cpp's `gguf-split` writes them. */
export function inShards(path: string, count: number, size = 0): Buffer[] {
  const { keys, tensors } = parse(path);
  const each = Math.ceil(tensors.length / count);
  const gap = aligned(size / tensors.length);
  return Array.from({ length: count }, (_, no) => {
    const split = [numberKey('split.no', 2, no), numberKey('split.count', 2, count), numberKey('split.tensors.count', 5, tensors.length)];
    return write({ keys: no === 0 ? [...keys, ...split] : split, tensors: tensors.slice(no * each, (no + 1) * each) }, gap);
  });
}

/** The model in `path` with NaN as the first value of an f32 tensor. */
export function withNaN(path: string, tensor: string): Buffer {
  const { keys, tensors } = parse(path);
  const found = tensors.find(({ name }) => name === tensor);
  if (!found) throw new Error(`the file has no ${tensor}`);
  found.data.writeFloatLE(Number.NaN, 0);
  return write({ keys, tensors });
}

/** The model in `path` as if tuned to answer in turns: with a chat template, the only sign of it in a file. */
export function tunedForChat(path: string): Buffer {
  const { keys, tensors } = parse(path);
  const text = Buffer.from('the official template; it is known, not read');
  const rest = Buffer.concat([Buffer.from([TEXT, 0, 0, 0]), u64(text.length), text]);
  return write({ keys: [...keys, { name: 'tokenizer.chat_template', rest }], tensors });
}

/** A key with an unsigned 16-bit (2) or a signed 32-bit number (5). */
function numberKey(name: string, type: 2 | 5, value: number): Named {
  const rest = Buffer.alloc(type === 2 ? 6 : 8);
  rest.writeUInt32LE(type);
  if (type === 2) rest.writeUInt16LE(value, 4);
  else rest.writeInt32LE(value, 4);
  return { name, rest };
}
