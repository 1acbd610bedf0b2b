// @ts-check
// Makes dist/gemma-web, as build.sh left it, a whole npm package. The version is Cargo.toml's: there is one only.

import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cargo = readFileSync(`${root}/Cargo.toml`, 'utf8');
/** @param {string} key */
function field(key) {
  const match = new RegExp(`^${key} = "(.*)"$`, 'm').exec(cargo);
  if (!match?.[1]) throw new Error(`Cargo.toml has no ${key}`);
  return match[1];
}

const manifest = {
  name: field('name'),
  version: field('version'),
  description: field('description'),
  license: field('license'),
  keywords: ['gemma', 'llm', 'webgpu', 'gguf', 'wasm'],
  type: 'module',
  main: './index.js',
  types: './index.d.ts',
  exports: { '.': { types: './index.d.ts', default: './index.js' }, './package.json': './package.json' },
  // The worker is started by its address, never imported; bundlers must not drop it as unused.
  sideEffects: ['./worker.js'],
};
writeFileSync(`${root}/dist/gemma-web/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
for (const file of ['LICENSE', 'README.md']) {
  if (!existsSync(`${root}/${file}`)) throw new Error(`${file} is missing`);
  copyFileSync(`${root}/${file}`, `${root}/dist/gemma-web/${file}`);
}
console.log(`dist/gemma-web: ${manifest.name} ${manifest.version}`);
