// Calls of the package: progress, streaming, cancellation, order, disposal.
// Runs beside others: its limits are 1.5 s and more, for what takes milliseconds.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onTestPage } from './support/setup.js';
import { tinyModels } from './support/site.js';
import { loadInPage } from './support/tiny-model.js';
import type { ServerOptions } from '../../www/tools/serve.mjs';

const MODEL = 'tiny-gemma3-q4_0.gguf';

/** A server that promises much and sends little: a download to be cancelled in the middle. */
const drip: ServerOptions['intercept'] = (request, response) => {
  if (request.url !== '/models/drips.gguf') return false;
  response.writeHead(200, { 'Content-Length': 1_000_000 });
  response.write('GGUF');
  return true;
};

onTestPage({ models: tinyModels, intercept: drip, ready: (tab) => loadInPage(tab.page, tab.url(MODEL)) }, (tab) => {
  it('reports progress in order and to the end', async () => {
    const reports = await tab.page.evaluate(async (address) => {
      const seen: { phase: string; loaded: number; total: number | null }[] = [];
      const model = await gemmaWeb.loadGemma(address, { onProgress: (progress) => void seen.push(progress) });
      model.dispose();
      return seen;
    }, tab.url(MODEL));
    const order = ['header', 'weights', 'ready'];
    assert.equal(reports.at(-1)?.phase, 'ready');
    for (const [index, { phase, loaded, total }] of reports.entries()) {
      const last = reports[index - 1];
      assert.ok(order.includes(phase), phase);
      // The size is known with the first answer; a slow machine has a report before it.
      if (phase === 'header' && total === null) assert.equal(loaded, 0);
      else assert.ok(total !== null && loaded <= total, `${loaded} of ${total}`);
      if (last) assert.ok(order.indexOf(phase) >= order.indexOf(last.phase) && loaded >= last.loaded, JSON.stringify(reports));
    }
  });

  it('streams each token once, and the pieces are the text', async () => {
    const { result, pieces } = await tab.page.evaluate(async () => {
      const seen: { id: number; text: string }[] = [];
      const value = await model.generate('hello', { maxTokens: 24, temperature: 1, seed: 7, onToken: (piece) => void seen.push(piece) });
      return { result: value, pieces: seen };
    });
    assert.ok(result.tokens.length > 0);
    assert.deepEqual(pieces.map(({ id }) => id), result.tokens);
    // An unfinished character at the very end is only in the result.
    assert.ok(result.text.startsWith(pieces.map(({ text }) => text).join('')));
    assert.equal(result.usage.completionTokens, result.tokens.length);
    assert.ok(result.usage.promptTokens > 0);
    for (const [name, value] of Object.entries(result.timings)) assert.ok(Number.isFinite(value) && value >= 0, `${name} is ${value}`);
  });

  it('repeats a run by its seed, and carries calls out in order', async () => {
    const texts = await tab.page.evaluate(async () => {
      const options = { maxTokens: 16, temperature: 1.2, topK: 0, topP: 1 };
      const seeds = [1, 2, 1, 2];
      const results = await Promise.all(seeds.map((seed) => model.generate('hello', { ...options, seed })));
      return results.map(({ tokens }) => tokens.join(' '));
    });
    assert.equal(texts[0], texts[2]);
    assert.equal(texts[1], texts[3]);
    assert.notEqual(texts[0], texts[1]);
  });

  it('takes penalties, and biases as an object or a map', async () => {
    const { free, object, map, forbidden, penalised } = await tab.page.evaluate(async () => {
      const tokens = async (options: object): Promise<readonly number[]> =>
        (await model.generate([2, 10, 20], { maxTokens: 6, temperature: 0, ...options })).tokens;
      const first = await tokens({});
      const found = {
        free: first,
        object: await tokens({ logitBias: { 30: 100 } }),
        map: await tokens({ logitBias: new Map([[30, 100]]) }),
        forbidden: await tokens({ logitBias: { [first[0] ?? -1]: -Infinity } }),
        penalised: await tokens({ logitBias: { 30: 80, 31: 60 }, repetitionPenalty: 2 }),
      };
      return found;
    });
    assert.deepEqual(object, [30, 30, 30, 30, 30, 30]);
    assert.deepEqual(map, object);
    assert.ok(free[0] !== undefined && !forbidden.includes(free[0]), `${forbidden}`);
    assert.ok(penalised.includes(31), `${penalised}`);
  });

  it('aborts a generation promptly; the model and a queued call go on', async () => {
    const outcome = await tab.page.evaluate(async () => {
      const name = (error: unknown): string => (error instanceof DOMException ? error.name : String(error));
      const stop = new AbortController();
      let abortedAt = 0;
      const running = model.generate([2, 10, 20], {
        maxTokens: 1500,
        temperature: 1,
        signal: stop.signal,
        onToken: () => {
          if (!stop.signal.aborted) abortedAt = performance.now();
          stop.abort();
        },
      });
      const queuedStop = new AbortController();
      const queuedAborted = model.generate([2, 10], { maxTokens: 3, signal: queuedStop.signal }).then(String, name);
      const queued = model.generate([2, 10], { maxTokens: 3, temperature: 0 });
      queuedStop.abort();
      const first = await running.then(String, name);
      const after = performance.now() - abortedAt;
      const before = await model.generate('a', { signal: AbortSignal.abort() }).then(String, name);
      const tokens = (await queued).tokens.length;
      const second = await queuedAborted;
      return { first, second, before, after, tokens };
    });
    assert.deepEqual([outcome.first, outcome.second, outcome.before], ['AbortError', 'AbortError', 'AbortError']);
    assert.equal(outcome.tokens, 3);
    assert.ok(outcome.after < 2000, `it took ${outcome.after} ms`);
  });

  it('aborts a download promptly, and the connection is closed', async () => {
    const outcome = await tab.page.evaluate(async (address) => {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 300);
      const begin = performance.now();
      const name = await gemmaWeb.loadGemma(address, { signal: stop.signal }).then(String, (error) => String(error.name));
      return { name, ms: performance.now() - begin };
    }, `${tab.site.url}/models/drips.gguf`);
    assert.equal(outcome.name, 'AbortError');
    assert.ok(outcome.ms < 1500, `it took ${outcome.ms} ms`);
  });

  it('an exception in a callback rejects its call with it', async () => {
    const outcome = await tab.page.evaluate(async () => {
      const mine = new Error('mine');
      const fail = (): never => {
        throw mine;
      };
      const same = await model.generate([2], { maxTokens: 8, onToken: fail }).then(() => false, (error) => error === mine);
      const tokens = (await model.generate([2], { maxTokens: 2, temperature: 0 })).tokens.length;
      return { same, tokens };
    });
    assert.deepEqual(outcome, { same: true, tokens: 2 });
  });

  it('says disposed after dispose', async () => {
    const codes = await tab.page.evaluate(async (address) => {
      const model = await gemmaWeb.loadGemma(address);
      const code = (error: { code?: unknown }): unknown => error.code;
      const pending = model.generate([2], { maxTokens: 1000 }).then(String, code);
      model.dispose();
      model.dispose();
      return [await pending, await model.stats().then(String, code)];
    }, tab.url(MODEL));
    assert.deepEqual(codes, ['disposed', 'disposed']);
  });

  it('tells about the model and counts', async () => {
    const { info, ids, stats } = await tab.page.evaluate(async (address) => {
      const model = await gemmaWeb.loadGemma(address, { contextLength: 256 });
      await model.generate([2], { maxTokens: 2 });
      const seen = { info: model.info, ids: await model.tokenize('hello <bos>'), stats: await model.stats() };
      model.dispose();
      return seen;
    }, tab.url(MODEL));
    assert.equal(info.config.architecture, 'gemma3');
    assert.ok(info.config.nLayers > 0 && info.config.nVocab > 0);
    assert.equal(info.contextLength, 256);
    assert.equal(typeof info.chat, 'boolean');
    assert.ok(info.formats.some(([name, bytes]) => name === 'Q4_0' && bytes > 0));
    assert.ok(info.gpuBytes.weights > 0 && info.gpuBytes.kv > 0 && info.gpuBytes.scratch > 0);
    assert.ok(ids.length > 0 && !ids.includes(2), 'BOS is neither added nor read out of text');
    assert.ok(stats.wasmBytes > 0 && stats.wasmBytes < 200e6);
    assert.ok(stats.dispatches > 0 && stats.submits > 0 && stats.bytesRead > 0);
  });
});
