// The verdict on a device before any download.

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { inBothBrowsers, openPage } from './support/browsers.js';
import { startSite } from './support/site.js';
import type { StaticServer } from '../../www/tools/serve.mjs';

inBothBrowsers((name, start) => {
  let site: StaticServer;
  before(async () => {
    site = await startSite({});
  });
  after(() => site.close());

  it('a GPU that is a program: slow, with its limits and the storage', async () => {
    const { page, problems } = await openPage(await start(), `${site.url}/test/`);
    const found = await page.evaluate(() => gemmaWeb.probe());
    // Firefox hides the name of its adapter.
    if (name === 'chromium') assert.deepEqual([found.verdict, found.software], ['slow', true], found.why);
    assert.equal(found.verdict, found.software ? 'slow' : 'ok');
    assert.ok(found.why.length > 20);
    assert.ok(found.adapter && found.limits);
    assert.ok(found.limits.maxBindingBytes >= 128 << 20 && found.limits.maxBufferBytes >= 256 << 20, JSON.stringify(found.limits));
    assert.equal(found.adapter.maxBindingBytes, found.limits.maxBindingBytes);
    assert.equal(found.subgroups, found.adapter.subgroups);
    assert.ok(found.storage && found.storage.quota > 0 && found.storage.files);
    const faked = await page.evaluate(async () => {
      const adapter = (description: string, isFallbackAdapter = false) => ({
        requestAdapter: () =>
          Promise.resolve({
            features: new Set(['shader-f16', 'subgroups']),
            limits: { maxStorageBufferBindingSize: 1, maxBufferSize: 2, maxStorageBuffersPerShaderStage: 3 },
            info: { vendor: 'v', architecture: '', device: '', description, isFallbackAdapter },
          }),
      });
      const gpus = [adapter('Radeon'), adapter('llvmpipe'), adapter('x', true), { requestAdapter: () => Promise.resolve(null) }, { requestAdapter: () => Promise.reject(new Error('mine')) }];
      return Promise.all(gpus.map((gpu) => gemmaWeb.probe({ gpu })));
    });
    assert.deepEqual(faked.map(({ verdict }) => verdict), ['ok', 'slow', 'slow', 'unavailable', 'unavailable']);
    assert.ok(faked[0]?.shaderF16 && faked[0].subgroups && !faked[0].software);
    assert.match(faked[4]?.why ?? '', /mine/);
    assert.deepEqual(problems, []);
  });

  it('no WebGPU: unavailable, and what to do', async () => {
    const { page } = await openPage(await start(false), `${site.url}/test/`);
    const found = await page.evaluate(() => gemmaWeb.probe());
    assert.deepEqual([found.verdict, found.adapter, found.limits, found.software], ['unavailable', null, null, false]);
    assert.match(found.why, /WebGPU/);
  });
});
