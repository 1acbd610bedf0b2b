// @ts-check
// Shrinks a .wasm file in place with Binaryen's wasm-opt, where it is installed.

import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: wasm-opt.mjs FILE.wasm');
const tool = fileURLToPath(new URL('../node_modules/binaryen/bin/wasm-opt', import.meta.url));
if (!existsSync(tool)) {
  console.log('wasm-opt is not installed: the wasm stays as it is');
} else {
  // The features rustc's wasm32-unknown-unknown uses by default; every browser with WebGPU has them.
  const features = ['bulk-memory', 'mutable-globals', 'nontrapping-float-to-int', 'sign-ext', 'reference-types', 'multivalue'];
  const before = statSync(file).size;
  const run = spawnSync(process.execPath, [tool, '-O3', ...features.map((name) => `--enable-${name}`), file, '-o', `${file}.opt`], {
    stdio: 'inherit',
  });
  if (run.status !== 0) throw new Error(`wasm-opt failed with status ${run.status}`);
  renameSync(`${file}.opt`, file);
  console.log(`wasm-opt: ${before} to ${statSync(file).size} bytes`);
}
