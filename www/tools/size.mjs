// @ts-check
// What a page that uses the package has to fetch, and the bound on it.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';

const BOUND = 500_000;
const folder = new URL('../../dist/gemma-web', import.meta.url).pathname;
let total = 0;
for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
  if (!/\.(js|wasm)$/.test(entry)) continue;
  const bytes = readFileSync(join(folder, entry));
  const packed = brotliCompressSync(bytes).length;
  total += packed;
  console.log(`${String(bytes.length).padStart(9)} ${String(packed).padStart(8)}  ${entry}`);
}
console.log(`${total} bytes of wasm and JS by brotli, bound ${BOUND}`);
if (total === 0) throw new Error('nothing was built');
if (total > BOUND) throw new Error(`the package is ${total - BOUND} bytes over its bound`);
