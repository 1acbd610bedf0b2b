// @ts-check
// The size of the package, and of a first visit to the chat page without the wasm, each with its bound.

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

const SHELL_BOUND = 100_000;
const site = new URL('../../dist/site', import.meta.url).pathname;
let shell = 0;
for (const entry of readdirSync(site, { recursive: true, encoding: 'utf8' }).sort()) {
  // The benchmark page is another one, and only browsers without workers fetch the inline engine.
  if (!/\.(js|css|html|svg|webmanifest)$/.test(entry) || /(?:^|\/)(?:bench|inline-engine)[-.]/.test(entry)) continue;
  const bytes = readFileSync(join(site, entry));
  const packed = brotliCompressSync(bytes).length;
  shell += packed;
  console.log(`${String(bytes.length).padStart(9)} ${String(packed).padStart(8)}  ${entry}`);
}
console.log(`${shell} bytes of the chat page by brotli without the wasm, bound ${SHELL_BOUND}`);
if (shell === 0) throw new Error('no page was built');
if (shell > SHELL_BOUND) throw new Error(`the chat page is ${shell - SHELL_BOUND} bytes over its bound`);
