// A server that misbehaves as a test tells it, and records exactly each request and each answer.

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { parseRange } from '../../../www/tools/serve.mjs';

/** The faults of a file's server. */
export interface Faults {
  /** Ranges are ignored: 200 and the whole file. */
  ranges?: 'ignored';
  /** Each connection is cut after this many bytes of its body. */
  resetAfter?: number;
  /** The first `times` requests are refused. */
  refuse?: { times: number; status: number; retryAfter?: string };
  /** `Content-Range` is that of other bytes; those asked for are sent. */
  contentRange?: 'shifted';
  /** `times` bodies end in good order, but `by` bytes too early. */
  short?: { times: number; by: number };
  /** Compressed, without ranges. */
  encoding?: 'gzip';
  /** Bytes a second of each connection. */
  speed?: number;
  /** No `Access-Control-Expose-Headers`; with `'refused'`, preflights are refused as well. */
  cors?: 'hidden' | 'refused';
  /** Redirects to another address first. */
  redirect?: boolean;
  /** After this many bytes in all, no more are sent; connections stay open. */
  holdAfter?: number;
  /** No `Content-Length`. */
  length?: 'unknown';
  /** No `ETag` and no `Last-Modified`. */
  validators?: 'none';
}

/** One answer. */
export interface Sent {
  readonly range: { readonly first: number; readonly last: number } | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly method: string;
  status: number;
  /** Bytes of the body that went out. */
  bytes: number;
  /** Time at which the connection was closed before its end. */
  cutAt: number | undefined;
}

/** Tags by the bytes, which are never changed in place. */
const etags = new WeakMap<Buffer, string>();

/** A file on the server. Everything may be changed while it is being sent. */
export class FaultyFile {
  readonly requests: Sent[] = [];

  constructor(
    readonly url: string,
    public bytes: Buffer,
    public faults: Faults = {},
  ) {}

  get etag(): string {
    const known = etags.get(this.bytes) ?? `"${createHash('sha1').update(this.bytes).digest('hex')}"`;
    etags.set(this.bytes, known);
    return known;
  }

  /** Bytes of bodies sent so far. */
  get sent(): number {
    return this.requests.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  forget(): void {
    this.requests.length = 0;
  }

  /** Bytes asked for by ranges, each counted as often as it was asked for. */
  get asked(): number {
    return this.requests
      .filter(({ method }) => method === 'GET')
      .reduce((sum, { range }) => sum + (range ? range.last - range.first + 1 : this.bytes.length), 0);
  }
}

export interface FaultServer {
  readonly url: string;
  /** Puts a file on the server. */
  add(name: string, bytes: Buffer, faults?: Faults): FaultyFile;
  close(): Promise<void>;
}

/** Starts the server, on a port and so an origin of its own. */
export async function startFaultServer(): Promise<FaultServer> {
  const files = new Map<string, FaultyFile>();
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://loopback').pathname;
    const file = files.get(path.replace(/^\/moved/, ''));
    if (!file) {
      response.writeHead(404, cors({})).end();
      return;
    }
    answer(file, path.startsWith('/moved'), request, response).catch(() => response.destroy());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const url = `http://127.0.0.1:${address.port}`;
  return {
    url,
    add: (name, bytes, faults) => {
      const file = new FaultyFile(`${url}/${name}`, bytes, faults);
      files.set(`/${name}`, file);
      return file;
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

function cors(faults: Faults): Record<string, string> {
  const exposed = 'Content-Range, Content-Encoding, ETag, Last-Modified, Retry-After';
  return { 'Access-Control-Allow-Origin': '*', ...(faults.cors ? {} : { 'Access-Control-Expose-Headers': exposed }) };
}

async function answer(file: FaultyFile, moved: boolean, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { faults, bytes } = file;
  const method = request.method ?? 'GET';
  const range = faults.ranges === 'ignored' || faults.encoding ? undefined : parseRange(request.headers.range, bytes.length);
  if (range === 'unsatisfiable') {
    response.writeHead(416, cors(faults)).end();
    return;
  }
  const sent: Sent = { range, headers: request.headers, method, status: 0, bytes: 0, cutAt: undefined };
  file.requests.push(sent);
  const head = (status: number, headers: Record<string, string | number> = {}): void => {
    sent.status = status;
    response.writeHead(status, { ...cors(faults), ...headers });
  };
  if (method === 'OPTIONS') {
    head(faults.cors === 'refused' ? 405 : 204, faults.cors === 'refused' ? {} : { 'Access-Control-Allow-Headers': '*, Authorization, Range, If-Range' });
    response.end();
    return;
  }
  if (faults.redirect && !moved) {
    head(302, { Location: `/moved${new URL(file.url).pathname}` });
    response.end();
    return;
  }
  if (faults.refuse && faults.refuse.times > 0) {
    faults.refuse.times -= 1;
    head(faults.refuse.status, faults.refuse.retryAfter === undefined ? {} : { 'Retry-After': faults.refuse.retryAfter });
    response.end();
    return;
  }
  await sendBody(file, sent, head, response);
}

async function sendBody(
  file: FaultyFile,
  sent: Sent,
  head: (status: number, headers: Record<string, string | number>) => void,
  response: ServerResponse,
): Promise<void> {
  const { faults, bytes } = file;
  const { first, last } = sent.range ?? { first: 0, last: bytes.length - 1 };
  let body = bytes.subarray(first, last + 1);
  const headers: Record<string, string | number> = {
    'Content-Type': 'application/octet-stream',
    ...(faults.validators === 'none' ? {} : { ETag: file.etag, 'Last-Modified': 'Mon, 01 Jan 2024 00:00:00 GMT' }),
  };
  if (faults.encoding) {
    // Level 0: stored blocks, since compressing noise takes time and saves nothing.
    body = gzipSync(body, { level: 0 });
    headers['Content-Encoding'] = 'gzip';
  }
  if (sent.range) {
    const by = faults.contentRange === 'shifted' ? 1 : 0;
    headers['Content-Range'] = `bytes ${first + by}-${last + by}/${bytes.length}`;
  }
  if (faults.length !== 'unknown') headers['Content-Length'] = body.length;
  if (faults.short && faults.short.times > 0) {
    faults.short.times -= 1;
    body = body.subarray(0, Math.max(0, body.length - faults.short.by));
    delete headers['Content-Length'];
  }
  response.on('close', () => {
    if (!response.writableFinished) sent.cutAt = Date.now();
  });
  head(sent.range ? 206 : 200, headers);
  await send(file, sent, body, response);
}

const PIECE = 1 << 16;

async function send(file: FaultyFile, sent: Sent, body: Buffer, response: ServerResponse): Promise<void> {
  response.flushHeaders();
  while (sent.bytes < body.length && !response.destroyed) {
    // Read each time, since a test may change it.
    const { holdAfter = Infinity, resetAfter = Infinity, speed = Infinity } = file.faults;
    const most = Number.isFinite(speed) ? Math.max(1, speed / 20) : PIECE;
    const room = Math.min(most, resetAfter - sent.bytes, holdAfter - file.sent);
    if (sent.bytes >= resetAfter) {
      response.destroy();
      return;
    }
    if (room < 1) {
      await sleep(5);
      continue;
    }
    const piece = body.subarray(sent.bytes, sent.bytes + Math.floor(room));
    sent.bytes += piece.length;
    const drained = response.write(piece);
    if (Number.isFinite(speed)) await sleep(50);
    else if (!drained) await drain(response);
  }
  response.end();
}

/** Waits until more may be written, or the connection is gone. */
function drain(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
    if (response.destroyed) done();
  });
}
