// The package in Node.js: imported without a browser, and run on Dawn, the WebGPU of npm's `webgpu`.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { openAsBlob, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { tinyGoldens } from '../browser/support/goldens.js';
import { tunedForChat } from '../browser/support/gguf.js';
import { modelUrl, ROOT, startSite, TINY } from '../browser/support/site.js';
import type { GpuDeviceLike, GpuLike, ModelSource } from '../../www/lib/index.js';

const NAME = 'tiny-gemma3-q4_0.gguf';
const PATH = join(TINY, NAME);
const PACKAGE = pathToFileURL(join(ROOT, 'dist/gemma-web/index.js')).href;
const gemmaWeb = (await import(PACKAGE)) as typeof import('../../www/lib/index.js');

/** Dawn's GPU, or the reason why there is none. */
async function dawn(): Promise<GpuLike | string> {
  try {
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals);
    const gpu = create([]) as GpuLike;
    return (await gpu.requestAdapter()) ? gpu : 'there is no adapter';
  } catch (error) {
    return `webgpu does not work here: ${String(error)}`;
  }
}

describe('without a browser', () => {
  it('importing touches nothing of one', async () => {
    const script = `
      for (const name of ['window', 'document', 'navigator', 'location', 'self', 'Worker', 'GPU', 'indexedDB', 'localStorage']) {
        Object.defineProperty(globalThis, name, { get: () => { throw new Error(name + ' was touched'); } });
      }
      const found = await import(${JSON.stringify(PACKAGE)});
      console.log(Object.keys(found).join(' '));`;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    assert.equal(stdout.trim(), 'Gemma GemmaError Generation Session cache inspect loadGemma probe savedSessions');
    assert.equal(stderr, '');
  });

  it('says that there is no WebGPU, keeps nothing, and has no workers', async () => {
    const code = ({ code: found, details }: { code: string; details: Record<string, unknown> }): string => `${found} ${details['option'] ?? ''}`.trim();
    const found = await gemmaWeb.probe();
    assert.deepEqual([found.verdict, found.storage], ['unavailable', null]);
    assert.match(found.why, /webgpu/);
    assert.equal(await gemmaWeb.loadGemma(PATH).then(String, code), 'no_webgpu');
    assert.equal(await gemmaWeb.loadGemma(PATH, { worker: true }).then(String, code), 'invalid_option worker');
    assert.equal(await gemmaWeb.loadGemma('./nowhere.gguf').then(String, code), 'io');
    assert.equal((await gemmaWeb.inspect(PATH)).config.architecture, 'gemma3');
    assert.deepEqual([await gemmaWeb.cache.list(), await gemmaWeb.savedSessions.list()], [[], []]);
  });
});

const gpu = await dawn();
const skip = typeof gpu === 'string' && !process.env['CI'] ? gpu : false;

describe('on Dawn', { skip }, () => {
  const golden = tinyGoldens(NAME)[1];
  const setting = { gpu: gpu as GpuLike, kv: 'f32', tuning: 'f32/1' } as const;
  let site: Awaited<ReturnType<typeof startSite>>;

  before(async () => {
    assert.ok(golden);
    assert.ok(typeof gpu !== 'string', String(gpu));
    site = await startSite({ [NAME]: PATH });
  });
  after(() => site.close());

  /** The golden text. */
  const text = async (source: ModelSource, options: object = setting): Promise<readonly number[]> => {
    const model = await gemmaWeb.loadGemma(source, options);
    try {
      return (await model.generate(golden?.ids ?? [], { temperature: 0, maxTokens: 4 })).tokens;
    } finally {
      model.dispose();
    }
  };

  const bytes = readFileSync(PATH);
  const sources: readonly (readonly [string, () => ModelSource | Promise<ModelSource>])[] = [
    ['a path', () => PATH],
    ['a file: address', () => pathToFileURL(PATH).href],
    ['a URL of a file', () => pathToFileURL(PATH)],
    ['a Blob of a file', () => openAsBlob(PATH)],
    ['an object that reads', () => ({ size: bytes.length, read: (offset: number, length: number) => Uint8Array.from(bytes.subarray(offset, offset + length)) })],
    ['a server', () => modelUrl(site, PATH)],
  ];
  for (const [name, source] of sources) {
    it(`the golden text from ${name}`, async () => {
      assert.deepEqual(await text(await source()), golden?.greedy.slice(0, 4));
    });
  }

  it('on a device of the caller’s, which stays; and the globals are as they were', async () => {
    type Device = GpuDeviceLike & { createBuffer(descriptor: object): { destroy(): void }; destroy(): void };
    type Adapter = { limits: object; requestDevice(): Promise<Device> };
    const names = ['navigator', 'Window', 'WorkerGlobalScope'] as const;
    const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
    const device = await ((await (gpu as GpuLike).requestAdapter()) as Adapter).requestDevice();
    assert.deepEqual(await text(PATH, { device, kv: 'f32', tuning: 'f32/1' }), golden?.greedy.slice(0, 4));
    device.createBuffer({ size: 16, usage: 8 }).destroy();
    device.destroy();
    assert.deepEqual(names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name)), before);
  });

  it('streams, converses, saves and aborts', async () => {
    const model = await gemmaWeb.loadGemma(new Blob([Uint8Array.from(tunedForChat(PATH))]), setting);
    const options = { maxTokens: 6, temperature: 0, logitBias: { 1: -100, 106: -100 } };
    const chat = model.session();
    const generation = chat.send('one', options);
    let streamed = '';
    for await (const piece of generation) streamed += piece;
    assert.equal(streamed, (await generation).text);
    const blob = await chat.save();
    const second = await chat.send('two', options);
    assert.ok(second.usage.cachedTokens > 0);
    const again = await (await model.restore(blob)).send('two', options);
    assert.deepEqual([again.tokens, again.usage], [second.tokens, second.usage]);
    await assert.rejects(chat.save({ name: 'a' }), ({ code }: { code: string }) => code === 'storage');
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 30);
    await assert.rejects(Promise.resolve(model.generate([2], { ...options, maxTokens: 2000, signal: stop.signal })), { name: 'AbortError' });
    await model[Symbol.asyncDispose]();
    await assert.rejects(model.stats(), ({ code }: { code: string }) => code === 'disposed');
  });
});
