// Chat completions: the part of a request that reaches the model, the result, and refusals.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createOpenAI } from '../../www/lib/adapters/openai.js';
import { GemmaError } from '../../www/lib/shared/errors.js';
import { collect, invalid, named, stubModel } from './stub.js';

const MESSAGES = [{ role: 'user', content: 'Hello' }] as const;
const body = { model: 'any', messages: [...MESSAGES] };

describe('a completion', () => {
  it('has the text, the reason and the counts', async () => {
    const { model } = stubModel({ pieces: ['Good', ' day'], finishReason: 'length' });
    const { id, created, ...rest } = await createOpenAI(model).chat.completions.create(body);
    assert.match(id, /^chatcmpl-./);
    assert.ok(Math.abs(created - Date.now() / 1000) < 60);
    assert.deepEqual(rest, {
      object: 'chat.completion',
      model: 'stub',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Good day', refusal: null }, finish_reason: 'length', logprobs: null }],
      usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11, prompt_tokens_details: { cached_tokens: 4 } },
    });
  });

  it('passes every option on', async () => {
    const { model, asked } = stubModel({ pieces: ['a'] });
    await createOpenAI(model).chat.completions.create({
      ...body,
      max_completion_tokens: 5,
      temperature: 0.5,
      top_p: 0.9,
      frequency_penalty: 0.1,
      presence_penalty: 0.2,
      logit_bias: { 12: -100 },
      seed: 3,
      stop: ['x', 'y'],
      logprobs: true,
      top_logprobs: 2,
    });
    const { signal: _, ...options } = asked[0]?.options ?? {};
    assert.deepEqual(options, {
      maxTokens: 5,
      temperature: 0.5,
      topP: 0.9,
      frequencyPenalty: 0.1,
      presencePenalty: 0.2,
      logitBias: { 12: -100 },
      seed: 3,
      stop: ['x', 'y'],
      logprobs: 2,
      cachePrompt: false,
    });
  });

  it('leaves the model its defaults, fills the context and takes prefixes over without a seed', async () => {
    const { model, asked } = stubModel({ pieces: ['a'] });
    await createOpenAI(model).chat.completions.create({ ...body, temperature: null, max_tokens: null, seed: null });
    const { maxTokens, cachePrompt, temperature, topP } = asked[0]?.options ?? {};
    assert.deepEqual({ maxTokens, cachePrompt, temperature, topP }, { maxTokens: 100, cachePrompt: true, temperature: undefined, topP: undefined });
  });

  it('reads roles and parts', async () => {
    const { model, asked } = stubModel({ pieces: ['a'] });
    await createOpenAI(model).chat.completions.create({
      model: 'any',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'developer', content: [{ type: 'text', text: 'Be kind.' }] },
        { role: 'user', content: [{ type: 'text', text: 'One' }, { type: 'text', text: 'Two' }] },
        { role: 'assistant', content: 'Three', refusal: null },
        { role: 'user', content: 'Four' },
      ],
    });
    assert.deepEqual(asked[0]?.prompt, [
      { role: 'system', content: 'Be brief.\n\nBe kind.' },
      { role: 'user', content: 'One\nTwo' },
      { role: 'assistant', content: 'Three' },
      { role: 'user', content: 'Four' },
    ]);
  });

  it('has log-probabilities with the bytes of each token', async () => {
    const { model } = stubModel({ pieces: ['é'] });
    const { choices } = await createOpenAI(model).chat.completions.create({ ...body, logprobs: true, top_logprobs: 1 });
    const token = { token: 'é', bytes: [0xc3, 0xa9], logprob: -0.5 };
    assert.deepEqual(choices[0]?.logprobs, { content: [{ ...token, top_logprobs: [token] }], refusal: null });
  });
});

describe('a stream', () => {
  it('begins with the role, ends with the reason and the usage', async () => {
    const { model } = stubModel({ pieces: ['Good', '', ' day'], heldBack: '!' });
    const stream = await createOpenAI(model, { model: 'mine' }).chat.completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await collect(stream);
    assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
    assert.ok(chunks.every(({ object, model: name }) => object === 'chat.completion.chunk' && name === 'mine'));
    assert.deepEqual(
      chunks.map(({ choices, usage }) => [choices[0]?.delta.content ?? null, choices[0]?.finish_reason ?? null, usage?.total_tokens ?? null]),
      [
        ['', null, null],
        ['Good', null, null],
        [' day', null, null],
        ['!', null, null],
        [null, 'stop', null],
        [null, null, 12],
      ],
    );
    assert.equal(chunks[0]?.choices[0]?.delta.role, 'assistant');
    assert.deepEqual(chunks.at(-1)?.choices, []);
  });

  it('has no usage where nobody asks, and log-probabilities where somebody does', async () => {
    const { model } = stubModel({ pieces: ['a', ''] });
    const stream = await createOpenAI(model).chat.completions.create({ ...body, stream: true, logprobs: true });
    const chunks = await collect(stream);
    assert.ok(chunks.every((chunk) => !('usage' in chunk)));
    const logprobs = chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? []);
    assert.deepEqual(logprobs.map(({ token }) => token), ['a', '']);
  });

  it('stops the generation where its loop is left', async () => {
    const { model, asked } = stubModel({ pieces: ['a', 'b', 'c'] });
    const stream = await createOpenAI(model).chat.completions.create({ ...body, stream: true });
    for await (const { choices } of stream) if (choices[0]?.delta.content === 'a') break;
    assert.equal(asked.length, 1);
    assert.equal(asked[0]?.options.signal?.aborted, false, 'the signal is the caller\'s');
    await assert.rejects(async () => void (await collect(stream)), named('AbortError'));
  });

  it('ends quietly by its controller, and with an AbortError by the signal', async () => {
    const { model } = stubModel({ pieces: ['a', 'b'], gate: () => new Promise((done) => setTimeout(done, 5)) });
    const client = createOpenAI(model);
    const quiet = await client.chat.completions.create({ ...body, stream: true });
    const seen = [];
    for await (const { choices } of quiet) {
      seen.push(choices[0]?.delta.content);
      quiet.controller.abort();
    }
    assert.deepEqual(seen, ['', 'a']);
    const abort = new AbortController();
    const loud = await client.chat.completions.create({ ...body, stream: true }, { signal: abort.signal });
    abort.abort();
    await assert.rejects(collect(loud), named('AbortError'));
  });

  it('says what is wrong before the loop', async () => {
    const error = new GemmaError('context_full', 'too long');
    const { model } = stubModel({ pieces: [], error });
    await assert.rejects(createOpenAI(model).chat.completions.create({ ...body, stream: true }), error);
  });
});

describe('refusals', () => {
  const { model, asked } = stubModel({ pieces: ['a'] });
  const { create } = createOpenAI(model).chat.completions;
  const tool = { type: 'function', function: { name: 'f' } };
  const refused: readonly (readonly [option: string, more: Record<string, unknown>])[] = [
    ['tools', { tools: [tool] }],
    ['tool_choice', { tool_choice: 'auto' }],
    ['functions', { functions: [{ name: 'f' }] }],
    ['response_format', { response_format: { type: 'json_schema', json_schema: { name: 'x' } } }],
    ['audio', { audio: { format: 'mp3', voice: 'alloy' } }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['n', { n: 2 }],
    ['reasoning_effort', { reasoning_effort: 'high' }],
    ['store', { store: true }],
    ['top_k', { top_k: 5 }],
    ['stream', { stream: 'yes' }],
    ['stream_options', { stream_options: { include_usage: true } }],
    ['top_logprobs', { top_logprobs: 3 }],
    ['max_tokens', { max_tokens: 1, max_completion_tokens: 2 }],
    ['messages', { messages: [] }],
    ['messages[0].role', { messages: [{ role: 'tool', content: 'x', tool_call_id: '1' }] }],
    ['messages[0].name', { messages: [{ role: 'user', content: 'x', name: 'me' }] }],
    ['messages[0].tool_calls', { messages: [{ role: 'assistant', content: 'x', tool_calls: [tool] }] }],
    ['messages[0].content', { messages: [{ role: 'assistant', content: null }] }],
    ['messages[0].content[1].type', { messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, { type: 'image_url', image_url: { url: 'x' } }] }] }],
  ];
  for (const [option, more] of refused) {
    it(option, async () => {
      await assert.rejects(create({ ...body, ...more } as never), invalid(option));
      assert.equal(asked.length, 0);
    });
  }

  it('a request option that is no signal', () => assert.rejects(create(body, { timeout: 5 } as never), invalid('options.timeout')));

  it('nothing that asks for what is done anyway', async () => {
    const neutral = { n: 1, tools: [], tool_choice: 'none', response_format: { type: 'text' }, modalities: ['text'], store: false, user: 'me', audio: null };
    await create({ ...body, ...neutral } as never);
    assert.equal(asked.length, 1);
  });
});

it('lists its one model', async () => {
  const { data } = await createOpenAI(stubModel({ pieces: [] }).model).models.list();
  assert.deepEqual(data.map(({ id, object }) => [id, object]), [['stub', 'model']]);
});
