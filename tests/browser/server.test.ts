// The static server: ranges, types, lists, and its bounds.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseRange, startServer, type StaticServer } from '../../www/tools/serve.mjs';

describe('static server', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);
  let folder: string;
  let server: StaticServer;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gemma-web-server-'));
    await writeFile(join(folder, 'a.gguf'), bytes);
    await writeFile(join(folder, 'a.wasm'), bytes);
    server = await startServer({ mounts: { '/files/': folder }, models: { 'a.gguf': join(folder, 'a.gguf') } });
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> => fetch(server.url + path, { headers });

  it('answers a range with 206 and exactly those bytes', async () => {
    const answer = await get('/models/a.gguf', { Range: 'bytes=10-19' });
    assert.equal(answer.status, 206);
    assert.equal(answer.headers.get('content-range'), 'bytes 10-19/1000');
    assert.equal(answer.headers.get('content-length'), '10');
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), bytes.slice(10, 20));
  });

  it('sends the whole file where the file changed since the first part', async () => {
    const etag = (await get('/models/a.gguf')).headers.get('etag');
    assert.ok(etag);
    const same = await get('/models/a.gguf', { Range: 'bytes=10-', 'If-Range': etag });
    assert.equal(same.status, 206);
    const changed = await get('/models/a.gguf', { Range: 'bytes=10-', 'If-Range': '"other"' });
    assert.equal(changed.status, 200);
    assert.equal((await changed.arrayBuffer()).byteLength, 1000);
  });

  it('refuses ranges beyond the end with 416 and the length', async () => {
    const answer = await get('/models/a.gguf', { Range: 'bytes=1000-' });
    assert.equal(answer.status, 416);
    assert.equal(answer.headers.get('content-range'), 'bytes */1000');
  });

  it('answers HEAD without a body', async () => {
    const answer = await fetch(`${server.url}/models/a.gguf`, { method: 'HEAD' });
    assert.equal(answer.headers.get('content-length'), '1000');
    assert.equal((await answer.arrayBuffer()).byteLength, 0);
  });

  it('names types, lists models, counts requests', async () => {
    assert.equal((await get('/files/a.wasm')).headers.get('content-type'), 'application/wasm');
    assert.deepEqual(await (await get('/models/index.json')).json(), [{ name: 'a.gguf', url: '/models/a.gguf', bytes: 1000 }]);
    const before = server.requests.length;
    await get('/files/a.wasm', { Range: 'bytes=0-0' });
    assert.deepEqual(server.requests.slice(before), [{ method: 'GET', path: '/files/a.wasm', range: 'bytes=0-0' }]);
  });

  it('serves nothing outside its folders', async () => {
    for (const path of ['/files/%2e%2e/%2e%2e/etc/passwd', '/files/..%2f..%2fetc/passwd', '/models/..%2fa.wasm', '/etc/passwd', '/files/%']) {
      assert.equal((await get(path)).status, 404, path);
    }
  });

  it('reads ranges as RFC 9110 says', () => {
    assert.deepEqual(parseRange('bytes=0-', 10), { first: 0, last: 9 });
    assert.deepEqual(parseRange('bytes=5-100', 10), { first: 5, last: 9 });
    assert.deepEqual(parseRange('bytes=-3', 10), { first: 7, last: 9 });
    assert.deepEqual(parseRange('bytes=-30', 10), { first: 0, last: 9 });
    assert.equal(parseRange('bytes=-0', 10), 'unsatisfiable');
    assert.equal(parseRange('bytes=10-', 10), 'unsatisfiable');
    for (const whole of [undefined, 'bytes=3-1', 'bytes=-', 'bytes=0-1,3-4', 'lines=0-1']) assert.equal(parseRange(whole, 10), undefined, whole);
  });
});
