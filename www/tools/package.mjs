// @ts-check
// The manifest, licence and README that make dist/gemma-web an npm package. Cargo.toml has the only version number.

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

/** @param {string} name the path without its ending */
const entry = (name) => ({ types: `./${name}.d.ts`, default: `./${name}.js` });

const manifest = {
  name: field('name'),
  version: field('version'),
  description: "Google's Gemma from GGUF files on the GPU of the browser, through WebGPU: text, chat, sessions; no server",
  license: field('license'),
  keywords: ['gemma', 'llm', 'webgpu', 'gguf', 'wasm', 'chat', 'openai', 'ai-sdk', 'prompt-api'],
  type: 'module',
  main: './index.js',
  types: './index.d.ts',
  exports: {
    '.': entry('index'),
    './openai': entry('adapters/openai'),
    './ai-sdk': entry('adapters/ai-sdk'),
    './language-model': entry('adapters/language-model'),
    // For bundlers that don't follow `new URL(…, import.meta.url)`: the two files to put beside the bundle.
    './worker.js': './worker.js',
    './gemma_web_bg.wasm': './pkg/gemma_web_bg.wasm',
    './package.json': './package.json',
  },
  // The worker is started by its address, never imported; bundlers must not drop it as unused.
  sideEffects: ['./worker.js'],
  // Only the types of these are used, and only by the subpath of their name.
  peerDependencies: { '@ai-sdk/provider': '>=3 <5', openai: '>=5 <8' },
  peerDependenciesMeta: { '@ai-sdk/provider': { optional: true }, openai: { optional: true } },
};
writeFileSync(`${root}/dist/gemma-web/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
for (const [from, to] of /** @type {const} */ ([
  ['LICENSE', 'LICENSE'],
  ['www/lib/README.md', 'README.md'],
])) {
  if (!existsSync(`${root}/${from}`)) throw new Error(`${from} is missing`);
  copyFileSync(`${root}/${from}`, `${root}/dist/gemma-web/${to}`);
}
/** @param {unknown} value @returns {string[]} */
const files = (value) => (typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(files));
for (const file of files(manifest.exports)) {
  if (!existsSync(`${root}/dist/gemma-web/${file}`)) throw new Error(`exports names ${file}, which is missing`);
}
console.log(`dist/gemma-web: ${manifest.name} ${manifest.version}`);
