// WebAssembly of the engine: its instance, in a worker, a page or Node.js.

import { readFile } from '../shared/node-files.js';
import init from '../pkg/gemma_web.js';

/** The file, beside the generated JS, which finds it by itself wherever `fetch` reads files: not in Node.js. */
const FILE = '../pkg/gemma_web_bg.wasm';

let memory: Promise<WebAssembly.Memory> | undefined;

/** Instantiates the module once; after a failure the next call tries again. */
export function instantiate(): Promise<WebAssembly.Memory> {
  memory ??= start();
  memory.catch(() => (memory = undefined));
  return memory;
}

async function start(): Promise<WebAssembly.Memory> {
  // Bundlers must not recognise this address, or they would ship the file twice.
  const here: string = import.meta.url;
  const bytes = here.startsWith('file:') ? await readFile(new URL(FILE, here)) : undefined;
  return (await init(bytes && { module_or_path: bytes })).memory;
}
