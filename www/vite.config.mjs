// @ts-check
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { VitePWA } from 'vite-plugin-pwa';

/** @param {string} path */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// For hosts that send no headers. Not during development: Vite's own scripts need more.
const POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self'",
  // Models come from any address that the reader enters.
  'connect-src *',
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** @type {import('vite').Plugin} */
const policy = {
  name: 'content-security-policy',
  apply: 'build',
  transformIndexHtml: () => [{ tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: POLICY }, injectTo: 'head-prepend' }],
};

/** The chunk with the engine for browsers without workers: the only one that the package imports on demand. */
const INLINE_ENGINE = 'inline-engine';

const pwa = VitePWA({
  registerType: 'prompt',
  // Registered by state/service-worker.ts.
  injectRegister: null,
  manifest: {
    id: './',
    start_url: './',
    scope: './',
    name: 'gemma-web',
    short_name: 'Gemma',
    description: "Google's Gemma on your own graphics card: works without a network, and nothing you write leaves this device.",
    lang: 'en',
    display: 'standalone',
    background_color: '#f8f7f4',
    theme_color: '#f8f7f4',
    categories: ['productivity', 'utilities'],
    icons: [
      { src: './icon.svg', type: 'image/svg+xml', sizes: 'any' },
      { src: './icon-192.png', type: 'image/png', sizes: '192x192' },
      { src: './icon-512.png', type: 'image/png', sizes: '512x512' },
      { src: './icon-maskable-512.png', type: 'image/png', sizes: '512x512', purpose: 'maskable' },
    ],
  },
  workbox: {
    // The whole page with the wasm, so that an update is complete or not there at all. Models are not among these files.
    globPatterns: ['**/*.{js,css,html,svg,png,wasm,webmanifest}'],
    // Browsers that need it have no workers, and so no service workers.
    globIgnores: [`**/${INLINE_ENGINE}-*.js`],
    maximumFileSizeToCacheInBytes: 8 * 2 ** 20,
    navigateFallback: null,
    cleanupOutdatedCaches: true,
    clientsClaim: true,
    // The cache ignores no part of an address's query.
    ignoreURLParametersMatching: [],
  },
});

export default defineConfig({
  root: here('app'),
  // Relative addresses: the page can be put into any folder of any static host.
  base: './',
  // The page uses the built package, as everyone else does.
  resolve: { alias: { 'gemma-web': here('../dist/gemma-web/index.js') } },
  worker: { format: 'es' },
  plugins: [policy, pwa],
  build: {
    outDir: here('../dist/site'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    rollupOptions: {
      input: [here('app/index.html'), here('app/bench.html')],
      output: {
        chunkFileNames: ({ isDynamicEntry, facadeModuleId }) => {
          const inline = isDynamicEntry && facadeModuleId?.includes('/gemma-web/');
          return `assets/${inline ? INLINE_ENGINE : '[name]'}-[hash].js`;
        },
      },
    },
  },
});
