// The AI SDK's language model: the part of a call that reaches the model, the result, warnings and refusals. tests/consumers shows that
// `generateText` and `streamText` of npm's `ai` work with it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LanguageModelV3CallOptions, LanguageModelV3Prompt } from '@ai-sdk/provider';
import { gemmaLanguageModel } from '../../www/lib/adapters/ai-sdk.js';
import { GemmaError } from '../../www/lib/shared/errors.js';
import { collect, invalid, named, stubModel } from './stub.js';

const prompt: LanguageModelV3Prompt = [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }];

describe('doGenerate', () => {
  it('has the text, the reason and the counts', async () => {
    const model = gemmaLanguageModel(stubModel({ pieces: ['Good', ' day'], finishReason: 'length' }).model, { modelId: 'mine' });
    assert.deepEqual([model.specificationVersion, model.provider, model.modelId], ['v3', 'gemma-web', 'mine']);
    const { content, finishReason, usage, warnings, response, providerMetadata } = await model.doGenerate({ prompt });
    assert.deepEqual(content, [{ type: 'text', text: 'Good day' }]);
    assert.deepEqual(finishReason, { unified: 'length', raw: 'length' });
    assert.deepEqual(usage.inputTokens, { total: 9, noCache: 5, cacheRead: 4, cacheWrite: undefined });
    assert.deepEqual(usage.outputTokens, { total: 2, text: 2, reasoning: undefined });
    assert.deepEqual(warnings, []);
    assert.equal(response?.modelId, 'mine');
    assert.equal(providerMetadata?.['gemma']?.['seed'], 7);
  });

  it('passes every option on', async () => {
    const { model, asked } = stubModel({ pieces: ['a'] });
    const { signal } = new AbortController();
    await gemmaLanguageModel(model).doGenerate({
      prompt,
      maxOutputTokens: 5,
      temperature: 0.5,
      topK: 3,
      topP: 0.9,
      frequencyPenalty: 0.1,
      presencePenalty: 0.2,
      seed: 3,
      stopSequences: ['x'],
      abortSignal: signal,
      headers: { 'x-own': 'ignored: there is no network' },
      providerOptions: { gemma: { minP: 0.1, overflow: 'slide' }, other: { of: 'nobody here' } },
    });
    assert.deepEqual(asked[0]?.options, {
      maxTokens: 5,
      temperature: 0.5,
      topK: 3,
      topP: 0.9,
      frequencyPenalty: 0.1,
      presencePenalty: 0.2,
      seed: 3,
      stop: ['x'],
      minP: 0.1,
      overflow: 'slide',
      cachePrompt: false,
      signal,
    });
    await gemmaLanguageModel(model).doGenerate({ prompt });
    assert.deepEqual([asked[1]?.options.maxTokens, asked[1]?.options.cachePrompt], [100, true]);
  });

  it('reads the conversation', async () => {
    const { model, asked } = stubModel({ pieces: ['a'] });
    const { warnings } = await gemmaLanguageModel(model).doGenerate({
      prompt: [
        { role: 'system', content: 'Be brief.' },
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: [{ type: 'text', text: 'One' }, { type: 'text', text: 'Two' }] },
        { role: 'assistant', content: [{ type: 'reasoning', text: 'hm' }, { type: 'text', text: 'Three' }] },
        { role: 'user', content: [{ type: 'text', text: 'Four' }] },
      ],
    });
    assert.deepEqual(asked[0]?.prompt, [
      { role: 'system', content: 'Be brief.\n\nBe kind.' },
      { role: 'user', content: 'One\nTwo' },
      { role: 'assistant', content: 'Three' },
      { role: 'user', content: 'Four' },
    ]);
    assert.deepEqual(warnings.map(({ type }) => type), ['other']);
  });

  it('warns of what it can not do', async () => {
    const { model } = stubModel({ pieces: ['a'] });
    const { warnings } = await gemmaLanguageModel(model).doGenerate({
      prompt,
      tools: [{ type: 'function', name: 'weather', inputSchema: {} }],
      toolChoice: { type: 'required' },
      responseFormat: { type: 'json' },
    });
    assert.deepEqual(warnings.map((warning) => warning.type === 'unsupported' && warning.feature), ['tool weather', 'toolChoice', 'responseFormat']);
  });

  const refused: readonly (readonly [option: string, call: LanguageModelV3CallOptions])[] = [
    ['prompt', { prompt: [] }],
    ['prompt[0].content[0].type', { prompt: [{ role: 'user', content: [{ type: 'file', mediaType: 'image/png', data: 'AA' }] }] }],
    ['prompt[0].role', { prompt: [{ role: 'tool', content: [] }] }],
    ['providerOptions.gemma.topA', { prompt, providerOptions: { gemma: { topA: 1 } } }],
  ];
  for (const [option, call] of refused) {
    it(`refuses ${option}`, async () => {
      const { model, asked } = stubModel({ pieces: ['a'] });
      await assert.rejects(async () => void (await gemmaLanguageModel(model).doGenerate(call)), invalid(option));
      await assert.rejects(async () => void (await gemmaLanguageModel(model).doStream(call)), invalid(option));
      assert.equal(asked.length, 0);
    });
  }
});

describe('doStream', () => {
  it('gives the parts in order', async () => {
    const { model } = stubModel({ pieces: ['Good', '', ' day'], heldBack: '!' });
    const { stream } = await gemmaLanguageModel(model).doStream({ prompt });
    const parts = await collect(stream);
    assert.deepEqual(
      parts.map((part) => (part.type === 'text-delta' ? part.delta : part.type)),
      ['stream-start', 'response-metadata', 'text-start', 'Good', ' day', '!', 'text-end', 'finish'],
    );
    const finish = parts.at(-1);
    assert.ok(finish?.type === 'finish');
    assert.deepEqual([finish.finishReason.unified, finish.usage.outputTokens.total], ['stop', 3]);
  });

  it('tells a failure as a part and throws an abort', async () => {
    const error = new GemmaError('context_full', 'too long');
    const failing = await gemmaLanguageModel(stubModel({ pieces: [], error }).model).doStream({ prompt });
    assert.deepEqual((await collect(failing.stream)).at(-1), { type: 'error', error });
    const abort = new AbortController();
    const stopped = await gemmaLanguageModel(stubModel({ pieces: ['a'] }).model).doStream({ prompt, abortSignal: abort.signal });
    abort.abort();
    await assert.rejects(collect(stopped.stream), named('AbortError'));
  });

  it('stops the generation where the stream is cancelled', async () => {
    let begun = 0;
    const gate = (): Promise<void> => new Promise((done) => setTimeout(done, 2, (begun += 1)));
    const { stream } = await gemmaLanguageModel(stubModel({ pieces: Array.from({ length: 50 }, () => 'a'), gate }).model).doStream({ prompt });
    const reader = stream.getReader();
    while ((await reader.read()).value?.type !== 'text-delta');
    await reader.cancel();
    await new Promise((done) => setTimeout(done, 20));
    assert.ok(begun < 10, `${begun} tokens were generated`);
  });
});
