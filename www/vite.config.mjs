// @ts-check
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** @param {string} path */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('app'),
  // Relative addresses: the page can be put into any folder of any static host.
  base: './',
  // The page uses the package as built, as everyone else does.
  resolve: { alias: { 'gemma-web': here('../dist/gemma-web/index.js') } },
  worker: { format: 'es' },
  build: {
    outDir: here('../dist/site'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    rollupOptions: { input: [here('app/index.html'), here('app/bench.html')] },
  },
});
