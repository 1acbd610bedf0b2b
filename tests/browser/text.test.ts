// The functions of a model besides generating: ids, scores, vectors, memory.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { withModel } from './support/setup.js';
import { BASE, generate, logits, logSoftmax } from './support/tiny-model.js';

withModel(BASE, { contextLength: 512 }, (tab) => {
  it('counts, tokenizes and back', async () => {
    const seen = await tab.page.evaluate(async () => {
      const text = 'hello <b> wörld\n';
      const ids = await model.tokenize(text);
      return { text, back: await model.detokenize(ids), ids: ids.length, count: await model.countTokens(text), of: await model.countTokens([2, 10, 20]) };
    });
    assert.equal(seen.back, seen.text);
    assert.deepEqual([seen.count, seen.of], [seen.ids + 1, 3]);
    assert.equal((await generate(tab.page, seen.text, { maxTokens: 1 })).usage.promptTokens, seen.count);
  });

  it('scores a text as its logits say', async () => {
    const { score, ids } = await tab.page.evaluate(async () => ({ score: await model.score('hello world'), ids: [2, ...(await model.tokenize('hello world'))] }));
    assert.deepEqual(score.tokens.map(({ id }) => id), ids.slice(1));
    for (const [index, { id, logprob }] of score.tokens.entries()) {
      const exact = logSoftmax(await logits(tab.page, ids.slice(0, index + 1)))[id] ?? Number.NaN;
      assert.ok(Math.abs(logprob - exact) < 2e-3, `${logprob}, expected ${exact}`);
    }
    assert.ok(Math.abs(score.total - score.tokens.reduce((sum, { logprob }) => sum + logprob, 0)) < 1e-4);
    assert.ok(Math.abs(score.perplexity / Math.exp(-score.total / score.tokens.length) - 1) < 1e-5);
  });

  it('embeds a text: as many numbers as the model is wide, the same for the same text', async () => {
    const seen = await tab.page.evaluate(async () => {
      const [a, b, c] = await Promise.all(['hello', 'hello', 'something else'].map((text) => model.embed(text)));
      return { a: Array.from(a ?? []), b: Array.from(b ?? []), c: Array.from(c ?? []), width: model.info.config.dModel };
    });
    assert.equal(seen.a.length, seen.width);
    assert.ok(seen.a.every(Number.isFinite) && seen.a.some((value) => value !== 0));
    assert.deepEqual(seen.b, seen.a);
    assert.notDeepEqual(seen.c, seen.a);
  });

  it('tells its memory and its defaults', async () => {
    const { memory, defaults, gpuBytes } = await tab.page.evaluate(async () => ({ memory: await model.memory(), ...model.info }));
    const { weights, kv, scratch, sessions, total } = memory;
    assert.equal(total, weights + kv + scratch + sessions);
    assert.deepEqual([weights, kv], [gpuBytes.weights, gpuBytes.kv]);
    assert.deepEqual([defaults.maxTokens, defaults.temperature, defaults.topK, defaults.topP, defaults.minP], [256, 1, 64, 0.95, 0]);
  });

  it('takes the template it was loaded with for every conversation', async () => {
    const seen = await tab.page.evaluate(async (address) => {
      const template = (all: readonly { content: string }[]): string => `<bos>${all.map(({ content }) => content).join('|')}`;
      const own = await gemmaWeb.loadGemma(address, { template, kv: 'f32', tuning: 'f32/1' });
      const messages = [{ role: 'user', content: 'hello' }] as const;
      const options = { maxTokens: 4, temperature: 0 };
      const plain = (await own.generate('hello', options)).text;
      const texts = [(await own.generate(messages, options)).text, (await own.session().send('hello', options)).text];
      const rendered = [await own.renderChat(messages), await own.renderChat(messages, { template: () => 'another' })];
      const counts = [await own.countTokens(messages), await own.countTokens('hello')];
      own.dispose();
      return { plain, texts, rendered, counts };
    }, tab.url(BASE));
    assert.deepEqual(seen.texts, [seen.plain, seen.plain]);
    assert.deepEqual(seen.rendered, ['<bos>hello', 'another']);
    assert.equal(seen.counts[0], seen.counts[1]);
  });
});
