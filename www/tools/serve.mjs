// @ts-check
// A static server for the demo and the browser tests: loopback only, Range requests, no dependency.
//
//   node www/tools/serve.mjs --mount /=dist/site --model path/to/gemma.gguf [--port 8080]

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, extname, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** @type {Record<string, string>} */
const MIME = {
  '.css': 'text/css; charset=utf-8',
  '.gguf': 'application/octet-stream',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.ts': 'text/plain; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

// The strictest policy that the library promises to work under. The worker's script gets it too: a worker takes its policy from its own
// response.
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src *; img-src 'self' data:";

/**
 * @typedef {object} ServerOptions
 * @property {Record<string, string>} [mounts] URL prefix (with both slashes) to folder; the longest prefix wins
 * @property {Record<string, string>} [models] file name to path: served below /models/ and listed in /models/index.json
 * @property {Record<string, string>} [headers] sent with every file, over the server's own
 * @property {number} [port] 0 (the default) takes a free one
 * @property {(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => boolean} [intercept]
 *   answers a request itself and returns true: how tests make a server misbehave
 *
 * @typedef {object} RequestRecord
 * @property {string} method
 * @property {string} path
 * @property {string | undefined} range
 *
 * @typedef {object} StaticServer
 * @property {string} url without a trailing slash
 * @property {RequestRecord[]} requests every request so far, in order
 * @property {() => Promise<void>} close
 */

/**
 * Starts the server on 127.0.0.1.
 * @param {ServerOptions} options
 * @returns {Promise<StaticServer>}
 */
export async function startServer(options) {
  /** @type {RequestRecord[]} */
  const requests = [];
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://loopback').pathname;
    requests.push({ method: request.method ?? 'GET', path, range: request.headers.range });
    if (options.intercept?.(request, response)) return;
    answer(options, path, request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  });
  await new Promise((done, failed) => {
    server.once('error', failed);
    server.listen(options.port ?? 0, '127.0.0.1', () => done(undefined));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/**
 * @param {ServerOptions} options
 * @param {string} path
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function answer(options, path, request, response) {
  if (request.method !== 'GET' && request.method !== 'HEAD') return fail(response, 405, 'only GET and HEAD');
  if (path === '/models/index.json') return sendModelList(options.models ?? {}, request, response);
  const file = locate(options, path);
  if (file === undefined) return fail(response, 404, `nothing at ${path}`);
  const info = await stat(file).catch(() => undefined);
  if (!info?.isFile()) return fail(response, 404, `nothing at ${path}`);
  sendFile(file, info, options.headers ?? {}, request, response);
}

/**
 * The file behind a URL path; undefined if there is none, or if the path leaves its folder.
 * @param {ServerOptions} options
 * @param {string} path
 */
function locate(options, path) {
  let decoded;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  if (decoded.startsWith('/models/')) return options.models?.[decoded.slice('/models/'.length)];
  const prefix = Object.keys(options.mounts ?? {})
    .filter((candidate) => decoded.startsWith(candidate))
    .sort((a, b) => b.length - a.length)[0];
  const folder = prefix === undefined ? undefined : options.mounts?.[prefix];
  if (prefix === undefined || folder === undefined) return undefined;
  const root = resolve(folder);
  const file = resolve(root, `.${sep}${decoded.slice(prefix.length)}${decoded.endsWith('/') ? 'index.html' : ''}`);
  return file === root || file.startsWith(root + sep) ? file : undefined;
}

/**
 * @param {Record<string, string>} models
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function sendModelList(models, request, response) {
  const list = await Promise.all(
    Object.entries(models).map(async ([name, file]) => ({
      name,
      url: `/models/${encodeURIComponent(name)}`,
      bytes: (await stat(file)).size,
    })),
  );
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(request.method === 'HEAD' ? undefined : JSON.stringify(list));
}

/**
 * @param {string} file
 * @param {import('node:fs').Stats} info
 * @param {Record<string, string>} more
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
function sendFile(file, info, more, request, response) {
  const etag = `"${info.size.toString(16)}-${Math.floor(info.mtimeMs).toString(16)}"`;
  const modified = info.mtime.toUTCString();
  /** @type {Record<string, string | number>} */
  const headers = {
    'Content-Type': MIME[extname(file)] ?? 'application/octet-stream',
    'Content-Security-Policy': POLICY,
    'X-Content-Type-Options': 'nosniff',
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'no-cache',
    'Last-Modified': modified,
    ETag: etag,
    ...more,
  };
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers);
    response.end();
    return;
  }
  const condition = request.headers['if-range'];
  const unchanged = condition === undefined || condition === etag || condition === modified;
  const range = unchanged ? parseRange(request.headers.range, info.size) : undefined;
  if (range === 'unsatisfiable') {
    response.writeHead(416, { ...headers, 'Content-Range': `bytes */${info.size}` });
    response.end();
    return;
  }
  const first = range?.first ?? 0;
  const last = range?.last ?? info.size - 1;
  headers['Content-Length'] = last - first + 1;
  if (range) headers['Content-Range'] = `bytes ${first}-${last}/${info.size}`;
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === 'HEAD' || last < first) {
    response.end();
    return;
  }
  const body = createReadStream(file, { start: first, end: last, highWaterMark: 1 << 18 });
  body.on('error', () => response.destroy());
  response.on('close', () => body.destroy());
  body.pipe(response);
}

/**
 * One byte range, or undefined for the whole file (several ranges are answered with the whole file, as RFC 9110 allows).
 * @param {string | undefined} header
 * @param {number} size
 * @returns {{ first: number, last: number } | 'unsatisfiable' | undefined}
 */
export function parseRange(header, size) {
  const match = header === undefined ? null : /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (match === null) return undefined;
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return undefined;
  if (from === '') {
    const length = Math.min(Number(to), size);
    return length === 0 ? 'unsatisfiable' : { first: size - length, last: size - 1 };
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return undefined;
  return first < size ? { first, last } : 'unsatisfiable';
}

/**
 * @param {import('node:http').ServerResponse} response
 * @param {number} status
 * @param {string} message
 */
function fail(response, status, message) {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${message}\n`);
}

async function main() {
  const { values } = parseArgs({
    options: {
      mount: { type: 'string', multiple: true, default: [] },
      model: { type: 'string', multiple: true, default: [] },
      port: { type: 'string', default: '8080' },
    },
  });
  const mounts = Object.fromEntries(
    values.mount.map((entry) => /** @type {[string, string]} */ ([entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)])),
  );
  const models = Object.fromEntries(values.model.map((file) => [basename(file), file]));
  const wanted = Number(values.port);
  const server = await startServer({ mounts, models, port: wanted }).catch((error) => {
    // If the port is taken, by another demo say, a free one will do. Any other error is shown.
    if (error.code !== 'EADDRINUSE') throw error;
    return startServer({ mounts, models, port: 0 });
  });
  console.log(`Serving on ${server.url}/ (stop with Ctrl-C)`);
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
