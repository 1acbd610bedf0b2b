// A model without a worker: the same text as in a worker, and nothing of the page touched.
// Runs alone: its calls must end within 200 ms.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onTestPage } from './support/setup.js';
import { CHAT, chatModels, loadInPage } from './support/tiny-model.js';

onTestPage({ models: chatModels }, (tab) => {
  it('generates the text that a worker does, in sessions too', async () => {
    await loadInPage(tab.page, tab.url(CHAT));
    const seen = await tab.page.evaluate(async (address) => {
      const own = Object.getOwnPropertyDescriptor(navigator, 'gpu');
      const here = await gemmaWeb.loadGemma(address, { kv: 'f32', tuning: 'f32/1', worker: false });
      const texts: unknown[][] = [];
      for (const each of [model, here]) {
        const { text, tokens } = await each.generate([2, 10, 20], { maxTokens: 12, temperature: 0 });
        const chat = each.session({ system: 'Be brief.' });
        const first = await chat.send('one', { maxTokens: 6, temperature: 0 });
        const second = await chat.send('two', { maxTokens: 6, temperature: 0 });
        const again = await each.restore(await chat.save());
        const third = await again.send('three', { maxTokens: 6, temperature: 0 });
        texts.push([text, tokens, first.text, second.text, third.text, third.usage, chat.history]);
      }
      const { cache } = here.info;
      const memory = await here.memory();
      const late = here.generate([2], { maxTokens: 500 }).then(String, (error) => error.code);
      here.dispose();
      const codes = [await late, await here.stats().then(String, (error) => error.code)];
      return { texts, cache, memory, codes, same: Object.getOwnPropertyDescriptor(navigator, 'gpu') === own };
    }, tab.url(CHAT));
    assert.deepEqual(seen.texts[1], seen.texts[0]);
    assert.equal(seen.cache.stored, false);
    assert.match(JSON.stringify(seen.cache), /without a worker/);
    assert.ok(seen.memory.total > 0);
    assert.deepEqual(seen.codes, ['disposed', 'disposed']);
    assert.ok(seen.same, 'navigator.gpu is what it was');
  });

  it('an abort reaches a generation while it computes, and a load', async () => {
    const seen = await tab.page.evaluate(async (address) => {
      const name = (error: { name: string }): string => error.name;
      const loading = new AbortController();
      const load = gemmaWeb.loadGemma(address, { worker: false, signal: loading.signal }).then(String, name);
      loading.abort();
      const here = await gemmaWeb.loadGemma(address, { worker: false, tuning: 'f32/1' });
      const stop = new AbortController();
      const options = { maxTokens: 400, signal: stop.signal, logitBias: { 1: -100, 106: -100 } };
      let begin = 0;
      setTimeout(() => {
        begin = performance.now();
        stop.abort();
      }, 50);
      const running = await here.generate([2, 10], options).then(String, name);
      const ms = performance.now() - begin;
      const next = (await here.generate([2, 10], { maxTokens: 2, logitBias: { 1: -100, 106: -100 } })).tokens.length;
      here.dispose();
      return { load: await load, running, ms, next };
    }, tab.url(CHAT));
    assert.deepEqual([seen.load, seen.running, seen.next], ['AbortError', 'AbortError', 2]);
    assert.ok(seen.ms < 200, `it took ${seen.ms} ms`);
  });

  it('runs on a GPU, and on a device, of the caller’s; the device lives on as it was', async () => {
    const seen = await tab.page.evaluate(async (address) => {
      // lib.dom has no WebGPU.
      type Gpu = { requestAdapter(): Promise<{ limits: object; requestDevice(): Promise<Device> }> };
      type Device = import('../../www/lib/index.js').GpuDeviceLike & {
        onuncapturederror: unknown;
        destroy(): void;
        queue: { onSubmittedWorkDone(): Promise<void> };
      };
      const real = (navigator as unknown as { gpu: Gpu }).gpu;
      let asked = 0;
      const gpu = {
        requestAdapter: () => {
          asked += 1;
          return real.requestAdapter();
        },
      };
      const options = { kv: 'f32', tuning: 'f32/1' } as const;
      const tokens: (readonly number[])[] = [];
      const first = await gemmaWeb.loadGemma(address, { ...options, gpu });
      tokens.push((await first.generate([2, 10, 20], { maxTokens: 6, temperature: 0 })).tokens);
      first.dispose();
      const device = await (await real.requestAdapter()).requestDevice();
      const handler = (): void => undefined;
      device.onuncapturederror = handler;
      const loaded = await Promise.all([gemmaWeb.loadGemma(address, { ...options, device }), gemmaWeb.loadGemma(address, { ...options, device })]);
      for (const each of loaded) tokens.push((await each.generate([2, 10, 20], { maxTokens: 6, temperature: 0 })).tokens);
      for (const each of loaded) each.dispose();
      await new Promise((resolve) => setTimeout(resolve, 50));
      await device.queue.onSubmittedWorkDone();
      const lost = await Promise.race([device.lost.then(() => true), Promise.resolve(false)]);
      const kept = device.onuncapturederror === handler;
      device.destroy();
      return { tokens, asked, lost, kept };
    }, tab.url(CHAT));
    assert.ok(seen.asked > 0);
    assert.equal(seen.tokens[0]?.length, 6);
    assert.deepEqual([seen.tokens[1], seen.tokens[2]], [seen.tokens[0], seen.tokens[0]]);
    assert.deepEqual([seen.lost, seen.kept], [false, true]);
  });

  it('options that contradict each other are named', async () => {
    const seen = await tab.page.evaluate(async (address) => {
      const gpu = { requestAdapter: () => Promise.resolve(null) };
      const wrong: object[] = [{ worker: 'no' }, { gpu: 5 }, { device: {} }, { gpu, worker: true }, { template: 'x' }, { signal: 5 }, { onProgress: 1 }];
      const options: unknown[] = [];
      for (const given of wrong) options.push(await gemmaWeb.loadGemma(address, given).then(String, ({ code, details }) => `${code} ${details.option}`));
      return { options, none: await gemmaWeb.loadGemma(address, { gpu }).then(String, ({ code }) => code) };
    }, tab.url(CHAT));
    assert.deepEqual(
      seen.options,
      ['worker', 'gpu', 'device', 'worker', 'template', 'signal', 'onProgress'].map((option) => `invalid_option ${option}`),
    );
    assert.equal(seen.none, 'no_webgpu');
  });
});
