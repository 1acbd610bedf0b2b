// esbuild leaves `new URL(…, import.meta.url)` alone: the worker is an entry of its own, and the wasm is put beside it.
import { copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

await build({
  entryPoints: { page: './page.js', worker: 'gemma-web/worker.js' },
  bundle: true,
  format: 'esm',
  minify: true,
  outdir: './dist',
  logLevel: 'warning',
});
copyFileSync(fileURLToPath(import.meta.resolve('gemma-web/gemma_web_bg.wasm')), './dist/gemma_web_bg.wasm');
