// The Prompt API's shape over a stubbed model: sessions, contents, usage, and the errors of its specification.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLanguageModel } from '../../www/lib/adapters/language-model.js';
import { GemmaError } from '../../www/lib/shared/errors.js';
import { collect, contents, named, type Script, stubModel, USAGE } from './stub.js';

function factory(script: Script) {
  const stub = stubModel(script);
  return { ...stub, stub, LanguageModel: createLanguageModel(stub.model) };
}

describe('create', () => {
  it('begins with what was said, and tells of the download', async () => {
    const { LanguageModel, opened, asked } = factory({ pieces: ['Hi'] });
    const told: number[] = [];
    const session = await LanguageModel.create({
      initialPrompts: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', value: 'On' }, { type: 'text', value: 'e' }] },
        { role: 'assistant', content: 'Two' },
        { role: 'user', content: 'Three' },
      ],
      monitor: (monitor) => monitor.addEventListener('downloadprogress', (event) => told.push((event as ProgressEvent).loaded)),
    });
    assert.deepEqual(told, [0, 1]);
    const spoken = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'One' },
      { role: 'assistant', content: 'Two' },
    ];
    assert.deepEqual(opened, [spoken]);
    // Five tokens around each of four messages, and five words.
    assert.deepEqual([session.contextUsage, session.inputUsage, session.contextWindow, session.inputQuota], [25, 25, 100, 100]);
    await session.prompt('Four');
    assert.deepEqual(asked[0]?.prompt, [...spoken, { role: 'user', content: 'Three\n\nFour' }]);
  });

  it('samples as it is told', async () => {
    const { LanguageModel, asked } = factory({ pieces: ['a'] });
    assert.deepEqual(await LanguageModel.params(), { defaultTopK: 64, maxTopK: 1024, defaultTemperature: 1, maxTemperature: 100 });
    const cases = [
      [{}, [64, 1, null]],
      [{ topK: 3.7, temperature: 0.5 }, [3, 0.5, null]],
      [{ topK: 1e9, temperature: Infinity }, [1024, 100, null]],
      [{ samplingMode: 'most-predictable' }, [64, 0, 'most-predictable']],
      [{ samplingMode: 'creative' }, [64, 1.25, 'creative']],
    ] as const;
    for (const [options, expected] of cases) {
      const session = await LanguageModel.create(options);
      assert.deepEqual([session.topK, session.temperature, session.samplingMode], expected);
      await session.prompt('x');
      const { topK, temperature, maxTokens, overflow } = asked.at(-1)?.options ?? {};
      assert.deepEqual([topK, temperature, maxTokens, overflow], [...expected.slice(0, 2), 50, 'slide']);
    }
  });

  it('refuses what makes no sense or is not there', async () => {
    const { LanguageModel, opened } = factory({ pieces: ['a'], contextLength: 8 });
    const { create } = LanguageModel;
    await assert.rejects(create({ samplingMode: 'balanced', topK: 3 }), TypeError);
    await assert.rejects(create({ samplingMode: 'wild' as never }), TypeError);
    await assert.rejects(create({ topK: 0 }), RangeError);
    await assert.rejects(create({ temperature: -1 }), RangeError);
    await assert.rejects(create({ temperature: Number.NaN }), RangeError);
    await assert.rejects(create({ expectedInputs: [{ type: 'image' }] }), named('NotSupportedError'));
    await assert.rejects(create({ tools: [{ name: 'x' }] }), named('NotSupportedError'));
    await assert.rejects(create({ initialPrompts: [{ role: 'user', content: 'x' }, { role: 'system', content: 'y' }] }), TypeError);
    await assert.rejects(create({ initialPrompts: [{ role: 'user', content: [{ type: 'image', value: 'x' } as never] }] }), named('NotSupportedError'));
    await assert.rejects(create({ initialPrompts: [{ role: 'user', content: 'one two three four' }] }), (error: unknown) => {
      const { name, requested, quota } = error as { name: string; requested: number; quota: number };
      return name === 'QuotaExceededError' && requested === 9 && quota === 8;
    });
    await assert.rejects(create({ signal: AbortSignal.abort() }), named('AbortError'));
    assert.equal(opened.length, 0);
  });

  it('says what is available', async () => {
    const { LanguageModel } = factory({ pieces: [] });
    assert.equal(await LanguageModel.availability(), 'available');
    assert.equal(await LanguageModel.availability({ expectedInputs: [{ type: 'text', languages: ['en'] }] }), 'available');
    assert.equal(await LanguageModel.availability({ expectedOutputs: [{ type: 'audio' }] }), 'unavailable');
    // Node.js has no WebGPU.
    const notLoaded = createLanguageModel('/model.gguf');
    assert.equal(await notLoaded.availability(), 'unavailable');
    assert.equal(await notLoaded.params(), null);
  });
});

describe('a session', () => {
  it('answers turn after turn, whole and in pieces', async () => {
    const { LanguageModel, asked, opened } = factory({ pieces: ['Good', ' day'], heldBack: '!' });
    const session = await LanguageModel.create();
    assert.equal(session.contextUsage, 0);
    assert.equal(await session.prompt('One'), 'Good day!');
    assert.equal(session.contextUsage, USAGE.promptTokens + 2);
    assert.deepEqual(await collect(session.promptStreaming([{ role: 'user', content: 'Two' }])), ['Good', ' day', '!']);
    assert.deepEqual(contents(asked[1]?.prompt), ['One', 'Good day!', 'Two']);
    assert.equal(opened.length, 1);
  });

  it('goes on in another session where the input holds answers', async () => {
    const { LanguageModel, asked, opened, stub } = factory({ pieces: ['a'] });
    const session = await LanguageModel.create();
    await session.prompt('One');
    await session.prompt([{ role: 'user', content: 'Two' }, { role: 'assistant', content: 'Three' }, { role: 'user', content: 'Four' }]);
    const before = [
      { role: 'user', content: 'One' },
      { role: 'assistant', content: 'a' },
      { role: 'user', content: 'Two' },
      { role: 'assistant', content: 'Three' },
    ];
    assert.deepEqual(opened, [[], before]);
    assert.deepEqual(asked[1]?.prompt, [...before, { role: 'user', content: 'Four' }]);
    assert.equal(stub.disposed, 1);
  });

  it('keeps what is appended for the next prompt, also past one that fails', async () => {
    const script: Script = { pieces: ['a'] };
    const { LanguageModel, asked } = factory(script);
    const session = await LanguageModel.create();
    assert.equal(await session.append('A document.'), undefined);
    assert.equal(session.contextUsage, 7);
    script.error = new GemmaError('device_lost', 'gone');
    await assert.rejects(session.prompt('What is it?'), script.error);
    delete script.error;
    await session.prompt('What is it?');
    for (const { prompt } of asked) assert.deepEqual(prompt, [{ role: 'user', content: 'A document.\n\nWhat is it?' }]);
    await session.prompt('And then?');
    assert.equal(contents(asked[2]?.prompt).at(-1), 'And then?');
  });

  it('measures', async () => {
    const { LanguageModel } = factory({ pieces: ['a'] });
    const session = await LanguageModel.create();
    assert.equal(await session.measureContextUsage('one two three'), 8);
    assert.equal(await session.measureInputUsage([{ role: 'user', content: 'one' }, { role: 'assistant', content: 'two' }]), 12);
    assert.equal(session.contextUsage, 0);
  });

  it('tells of an overflow, by both names', async () => {
    const { LanguageModel } = factory({ pieces: ['a'], droppedTokens: 3 });
    const session = await LanguageModel.create();
    const told: string[] = [];
    session.oncontextoverflow = ({ type }) => told.push(`on ${type}`);
    session.addEventListener('contextoverflow', ({ type }) => told.push(type));
    session.addEventListener('quotaoverflow', ({ type }) => told.push(type));
    await session.prompt('x');
    assert.deepEqual(told, ['on contextoverflow', 'contextoverflow', 'quotaoverflow']);
  });

  it('refuses what does not fit or is not there', async () => {
    const error = new GemmaError('context_full', 'too long', { needs: 120, context: 100 });
    const { LanguageModel } = factory({ pieces: [], error });
    const session = await LanguageModel.create();
    await assert.rejects(session.prompt('x'), (thrown: unknown) => (thrown as { requested: number }).requested === 120 && named('QuotaExceededError')(thrown));
    await assert.rejects(collect(session.promptStreaming('x')), named('QuotaExceededError'));
    await assert.rejects(session.append(Array.from({ length: 100 }, () => 'x').join(' ')), named('QuotaExceededError'));
    await assert.rejects(session.prompt('x', { responseConstraint: {} } as never), named('NotSupportedError'));
    await assert.rejects(session.prompt([{ role: 'assistant', content: 'x', prefix: true } as never]), named('NotSupportedError'));
    await assert.rejects(session.prompt([{ role: 'assistant', content: 'x' }]), named('NotSupportedError'));
    await assert.rejects(session.prompt([{ role: 'robot', content: 'x' } as never]), TypeError);
    await assert.rejects(session.prompt(5 as never), TypeError);
  });

  it('clones', async () => {
    const { LanguageModel, asked } = factory({ pieces: ['a'] });
    const session = await LanguageModel.create();
    await session.prompt('One');
    const other = await session.clone();
    assert.equal(other.contextUsage, session.contextUsage);
    await other.prompt('Two');
    await session.prompt('Three');
    const last = asked.map(({ prompt }) => contents(prompt).join());
    assert.deepEqual(last, ['One', 'One,a,Two', 'One,a,Three']);
  });

  it('answers in order, and drops at once what is aborted while it waits', async () => {
    let open = (): void => undefined;
    const opened = new Promise<void>((done) => (open = done));
    const { LanguageModel, asked } = factory({ pieces: ['a'], gate: () => opened });
    const session = await LanguageModel.create();
    const first = session.prompt('One');
    const abort = new AbortController();
    const second = session.prompt('Two', { signal: abort.signal });
    const third = session.prompt('Three');
    abort.abort(new Error('mine'));
    await assert.rejects(second, { message: 'mine' });
    open();
    await Promise.all([first, third]);
    assert.deepEqual(asked.map(({ prompt }) => contents(prompt).at(-1)), ['One', 'Three']);
  });

  it('ends what is under way when it is destroyed, by itself or by the signal of create', async () => {
    const { LanguageModel, stub } = factory({ pieces: ['a'], gate: () => new Promise(() => undefined) });
    const abort = new AbortController();
    const [one, two] = await Promise.all([LanguageModel.create(), LanguageModel.create({ signal: abort.signal })]);
    const asked = [one.prompt('x'), collect(one.promptStreaming('y')), two.prompt('z')];
    const rejected = Promise.all(asked.map((answer) => assert.rejects(answer, named('AbortError'))));
    one.destroy();
    abort.abort();
    await rejected;
    assert.equal(stub.disposed, 2);
    await assert.rejects(one.prompt('x'), named('AbortError'));
    await assert.rejects(one.clone(), named('AbortError'));
  });

  it('ends the answer where its stream is cancelled, and can be asked again', async () => {
    const { LanguageModel } = factory({ pieces: ['a', 'b'] });
    const session = await LanguageModel.create();
    const reader = session.promptStreaming('x').getReader();
    assert.equal((await reader.read()).value, 'a');
    await reader.cancel();
    assert.equal(await session.prompt('y'), 'ab');
  });
});
