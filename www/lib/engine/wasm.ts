// The engine's WebAssembly, wherever this runs.

import { readLocal } from '../shared/node-files.js';
import init from '../pkg/gemma_web.js';

/** Beside the generated JS, which finds it by itself wherever `fetch` reads files: not in Node.js. */
const FILE = '../pkg/gemma_web_bg.wasm';

let memory: Promise<WebAssembly.Memory> | undefined;

/** Instantiates it once; after a failure the next call tries again. */
export function instantiate(): Promise<WebAssembly.Memory> {
  memory ??= start();
  memory.catch(() => (memory = undefined));
  return memory;
}

async function start(): Promise<WebAssembly.Memory> {
  // The address must not be written as bundlers recognise it: they would ship the file twice.
  const here: string = import.meta.url;
  const bytes = here.startsWith('file:') ? await readLocal(new URL(FILE, here)) : undefined;
  return (await init(bytes && { module_or_path: bytes })).memory;
}
