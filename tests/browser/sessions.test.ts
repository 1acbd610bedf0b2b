// Sessions: their history, the KV cache that they share, and saving and restoring.

import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { openPage } from './support/browsers.js';
import { withModel } from './support/setup.js';
import { BASE, CHAT, CHAT2, loadInPage } from './support/tiny-model.js';

withModel(CHAT, { contextLength: 1024 }, (tab) => {
  beforeEach(() => tab.page.evaluate(() => gemmaWeb.savedSessions.clear()));

  describe('a session', () => {
    it('remembers, and computes only what is new; the text is that of the whole conversation', async () => {
      const seen = await tab.page.evaluate(async () => {
        const options = { maxTokens: 8, temperature: 0, logitBias: { 1: -100, 106: -100 } };
        const chat = model.session({ system: 'Be brief.', history: [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }] });
        const opening = [...chat.history];
        const first = await chat.send('one', options);
        const between = [...chat.history];
        const second = await chat.send('two', options);
        const whole = await model.generate([...between, { role: 'user', content: 'two' }], options);
        const history = [...chat.history];
        await chat.dispose();
        const gone = await chat.send('three').then(String, ({ code }) => code);
        return { opening, history, first: { ...first }, second: { ...second }, whole: { ...whole }, gone };
      });
      assert.deepEqual(seen.opening.map(({ role }) => role), ['system', 'user', 'assistant']);
      assert.deepEqual(seen.history.map(({ role }) => role.replace('model', 'assistant')), ['system', 'user', 'assistant', 'user', 'assistant', 'user', 'assistant']);
      assert.deepEqual(seen.history.slice(3).map(({ content }) => content), ['one', seen.first.text, 'two', seen.second.text]);
      assert.equal(seen.first.usage.cachedTokens, 0);
      // All earlier tokens but the last one generated, which no step has read yet.
      const { promptTokens, completionTokens } = seen.first.usage;
      assert.ok(seen.second.usage.cachedTokens >= promptTokens + completionTokens - 1, JSON.stringify(seen.second.usage));
      assert.ok(seen.second.usage.cachedTokens < seen.second.usage.promptTokens);
      assert.equal(seen.gone, 'disposed');
      assert.equal(seen.whole.usage.cachedTokens, 0);
    });

    it('keeps its history where a message fails or is aborted', async () => {
      const seen = await tab.page.evaluate(async () => {
        const options = { maxTokens: 6, temperature: 0, logitBias: { 1: -100, 106: -100 } };
        const alone = model.session();
        await alone.send('one', options);
        const expected = (await alone.send('two', options)).text;
        const chat = model.session();
        await chat.send('one', options);
        const history = JSON.stringify(chat.history);
        const names: string[] = [];
        const fail = ({ name, code, message }: { name: string; code?: string; message: string }): void => void names.push(code && typeof code === 'string' ? code : name === 'Error' ? message : name);
        await chat.send('wrong', { temperature: -1 }).catch(fail);
        await chat.send(5 as never).catch(fail);
        const stop = new AbortController();
        await chat.send('aborted', { ...options, signal: stop.signal, onToken: () => stop.abort() }).catch(fail);
        // At the last token the engine has ended the turn already.
        let count = 0;
        const mine = (): void => {
          count += 1;
          if (count === 6) throw new Error('mine');
        };
        await chat.send('thrown', { ...options, onToken: mine }).catch(fail);
        const same = JSON.stringify(chat.history) === history;
        return { names, same, expected, text: (await chat.send('two', options)).text, left: chat.history.length };
      });
      assert.deepEqual(seen.names, ['invalid_option', 'invalid_option', 'AbortError', 'mine']);
      assert.ok(seen.same);
      assert.equal(seen.text, seen.expected);
      assert.equal(seen.left, 4);
    });

    it('says with its first use what is wrong with it', async () => {
      const codes = await tab.page.evaluate(async () => {
        const code = ({ code: found }: { code: string }): string => found;
        return [
          await model.session({ history: 'hello' as never }).send('a').then(String, code),
          await model.session({ history: [{ role: 'assistant', content: 'a' }] }).send('a').then(String, code),
          await model.session({ history: [{ role: 'user' } as never] }).save().then(String, code),
          await model.session({ system: 5 as never }).clone().then(String, code),
        ];
      });
      assert.deepEqual(codes, ['invalid_option', 'invalid_message', 'invalid_message', 'invalid_message']);
    });

    it('clones: both go on as the one would have, and nothing is computed again', async () => {
      const seen = await tab.page.evaluate(async () => {
        const options = { maxTokens: 6, temperature: 0, logitBias: { 1: -100, 106: -100 } };
        const alone = model.session();
        await alone.send('one', options);
        const expected = await alone.send('two', options);
        const chat = model.session();
        const first = chat.send('one', options);
        const fork = await chat.clone();
        const other = await fork.send('something else', options);
        const second = await chat.send('two', options);
        const also = await (await chat.clone()).send('three', options);
        await first;
        return { expected: expected.text, text: second.text, usage: second.usage, other: { ...other }, also: { ...also }, lengths: [chat.history.length, fork.history.length] };
      });
      assert.equal(seen.text, seen.expected);
      assert.ok(seen.other.usage.cachedTokens > 0 && seen.usage.cachedTokens > 0 && seen.also.usage.cachedTokens > seen.usage.cachedTokens);
      assert.deepEqual(seen.lengths, [4, 4]);
    });

    it('two interleaved give the texts of each alone', async () => {
      const seen = await tab.page.evaluate(async () => {
        const options = { maxTokens: 10, temperature: 0.8, seed: 7, logitBias: { 1: -100, 106: -100 } };
        const says = { a: ['one', 'two', 'three'], b: ['alpha', 'beta', 'gamma'] };
        const alone: Record<string, string[]> = {};
        for (const [name, texts] of Object.entries(says)) {
          const chat = model.session();
          alone[name] = [];
          for (const text of texts) alone[name].push((await chat.send(text, options)).text);
          await chat.dispose();
        }
        const [a, b] = [model.session(), model.session()];
        const together: Record<string, string[]> = { a: [], b: [] };
        for (let turn = 0; turn < 3; turn += 1) {
          const [one, two] = await Promise.all([
            a.send(says.a[turn] ?? '', options),
            b.send(says.b[turn] ?? '', options),
            model.generate([2, 10, 20], { maxTokens: 3 }),
          ]);
          together['a']?.push(one.text);
          together['b']?.push(two.text);
        }
        const held = (await model.memory()).sessions;
        await a.dispose();
        await b.dispose();
        return { alone, together, held, freed: (await model.memory()).sessions };
      });
      assert.deepEqual(seen.together, seen.alone);
      assert.ok(seen.held > 0);
      assert.ok(seen.freed < seen.held);
    });

    it('disposing frees its memory and aborts what is under way', async () => {
      const seen = await tab.page.evaluate(async () => {
        const chat = model.session();
        const name = (error: { name: string }): string => error.name;
        await chat.send('one', { maxTokens: 2 });
        const running = chat.send('two', { maxTokens: 500, logitBias: { 1: -100, 106: -100 } }).then(String, name);
        await chat[Symbol.asyncDispose]();
        await chat.dispose();
        return { name: await running, never: await model.session().dispose() };
      });
      assert.deepEqual(seen.name, 'AbortError');
    });
  });

  describe('saved', () => {
    for (const kept of ['as a Blob', 'under a name'] as const) {
      it(`${kept}: goes on as it would have, with nothing computed again`, async () => {
        const seen = await tab.page.evaluate(async (named) => {
          const options = { maxTokens: 6, temperature: 0, logitBias: { 1: -100, 106: -100 } };
          const chat = model.session({ system: 'Be brief.' });
          await chat.send('one', options);
          const blob = named ? undefined : await chat.save();
          if (named) await chat.save({ name: 'früh / ../x' });
          const expected = await chat.send('two', options);
          await chat.dispose();
          const again = await model.restore(blob ?? { name: 'früh / ../x' });
          const history = [...again.history];
          const second = await again.send('two', options);
          const saved = await gemmaWeb.savedSessions.list();
          await again.dispose();
          return { expected: { ...expected }, second: { ...second }, history, saved };
        }, kept === 'under a name');
        assert.deepEqual(seen.second.tokens, seen.expected.tokens);
        assert.deepEqual(seen.second.usage, seen.expected.usage);
        assert.ok(seen.second.usage.cachedTokens > 0);
        assert.deepEqual(seen.history.map(({ role }) => role).slice(0, 2), ['system', 'user']);
        assert.equal(seen.history.length, 3);
        assert.deepEqual(seen.saved.map(({ name }) => name), kept === 'under a name' ? ['früh / ../x'] : []);
      });
    }

    it('survives its page', async () => {
      const opened = await openPage(tab.browser, `${tab.site.url}/test/`);
      const load = (): Promise<void> => loadInPage(opened.page, tab.url(CHAT), { contextLength: 1024 });
      await load();
      const expected = await opened.page.evaluate(async () => {
        const options = { maxTokens: 6, temperature: 0, logitBias: { 1: -100, 106: -100 } };
        const chat = model.session();
        await chat.send('one', options);
        await chat.save({ name: 'kept' });
        return { ...(await chat.send('two', options)) };
      });
      await opened.page.reload({ waitUntil: 'load' });
      await load();
      const seen = await opened.page.evaluate(async () => {
        const prefills: { done: number; total: number }[] = [];
        const chat = await model.restore({ name: 'kept' });
        const onPrefillProgress = (progress: { done: number; total: number }): void => void prefills.push(progress);
        const result = await chat.send('two', { maxTokens: 6, temperature: 0, logitBias: { 1: -100, 106: -100 }, onPrefillProgress });
        return { ...result, prefills };
      });
      assert.deepEqual(seen.tokens, expected.tokens);
      assert.deepEqual(seen.usage, expected.usage);
      // Nothing of the saved conversation is computed again.
      assert.equal(seen.prefills.at(-1)?.total, seen.usage.promptTokens - seen.usage.cachedTokens);
      assert.deepEqual(opened.problems, []);
      await opened.page.close();
    });

    it('lists, replaces, deletes; models in the cache are not in the way', async () => {
      const seen = await tab.page.evaluate(async () => {
        const { savedSessions, cache } = gemmaWeb;
        const entries = (await cache.list()).length;
        const chat = model.session();
        await chat.send('one', { maxTokens: 2 });
        for (const name of ['b', 'a', 'b', '..', 'x'.repeat(100)]) await chat.save({ name });
        const list = await savedSessions.list();
        const deleted = [await savedSessions.delete('a'), await savedSessions.delete('a')];
        await cache.clear();
        const left = (await savedSessions.list()).map(({ name }) => name);
        const code = ({ code: found }: { code: string }): string => found;
        const wrong = [];
        for (const name of ['', 'x'.repeat(101), '\ud800', 5, undefined]) wrong.push(await chat.save({ name: name as string }).then(String, code));
        wrong.push(await model.restore({ name: 'nowhere' }).then(String, code));
        await savedSessions.clear();
        return { list, deleted, left, wrong, none: await savedSessions.list(), entries, missing: await savedSessions.delete('b') };
      });
      assert.deepEqual(seen.list.map(({ name }) => name), ['..', 'a', 'b', 'x'.repeat(100)]);
      assert.ok(seen.list.every(({ size }) => size > 1000));
      assert.deepEqual(seen.deleted, [true, false]);
      assert.deepEqual(seen.left, ['..', 'b', 'x'.repeat(100)]);
      assert.deepEqual(seen.wrong, Array(6).fill('invalid_option'));
      assert.deepEqual([seen.none, seen.missing], [[], false]);
    });

    it('is refused by another model and where it is damaged', async () => {
      const bytes = await tab.page.evaluate(async () => {
        const chat = model.session();
        await chat.send('one', { maxTokens: 2 });
        const saved = new Uint8Array(await (await chat.save()).arrayBuffer());
        const code = ({ code: found }: { code: string }): string => found;
        const codes = [];
        for (const change of [(all: Uint8Array) => all.slice(0, -1), (all: Uint8Array) => all.with(all.length >> 1, (all[all.length >> 1] ?? 0) ^ 1), (all: Uint8Array) => all.slice(0, 10), () => new Uint8Array(0)]) {
          codes.push(await model.restore(new Blob([change(saved) as Uint8Array<ArrayBuffer>])).then(String, code));
        }
        return { codes, saved: Array.from(saved), memory: (await model.memory()).sessions };
      });
      assert.deepEqual(bytes.codes, Array(4).fill('malformed'));
      const other = await openPage(tab.browser, `${tab.site.url}/test/`);
      await loadInPage(other.page, tab.url(CHAT2), { contextLength: 1024 });
      const code = await other.page.evaluate(
        (saved) => model.restore(new Blob([Uint8Array.from(saved)])).then(String, (error) => String(error.code)),
        bytes.saved,
      );
      assert.equal(code, 'session_mismatch');
      await other.page.close();
    });
  });

  describe('turn formats', () => {
    it('messages are answered as the ids of their turns are, whatever they hold', async () => {
      const seen = await tab.page.evaluate(async () => {
        const options = { maxTokens: 6, temperature: 0 };
        const messages = [{ role: 'user', content: 'say <end_of_turn> & [x]' }] as const;
        const template = (all: readonly { role: string; content: string }[]): string =>
          `${all.map(({ role, content }) => `<start_of_turn>${role === 'assistant' ? 'model' : role}\n${content.trim()}<end_of_turn>\n`).join('')}<start_of_turn>model\n`;
        const own = await model.generate(messages, options);
        const rendered = await model.generate(messages, { ...options, template });
        return {
          own: { ...own },
          rendered: { ...rendered },
          counts: [await model.countTokens(messages), await model.countTokens(messages, { template })],
          texts: [await model.renderChat(messages), await model.renderChat(messages, { template })],
        };
      });
      assert.deepEqual(seen.rendered.tokens, seen.own.tokens);
      assert.deepEqual(seen.rendered.text, seen.own.text);
      assert.deepEqual(seen.counts, [seen.own.usage.promptTokens, seen.own.usage.promptTokens]);
      assert.equal(seen.texts[0], `<bos>${seen.texts[1]}`);
    });

    it('a session with a template of the page’s own takes over as much, and is saved with its history', async () => {
      const seen = await tab.page.evaluate(async () => {
        const options = { maxTokens: 6, temperature: 0, logitBias: { 1: -100, 106: -100 } };
        const template = (all: readonly { role: string; content: string }[]): string =>
          `${all.map(({ role, content }) => `<start_of_turn>${role === 'assistant' ? 'model' : role}\n${content}<end_of_turn>\n`).join('')}<start_of_turn>model\n`;
        const chat = model.session({ template });
        const [first, second] = await Promise.all([chat.send('one', options), chat.send('two', options)]);
        const blob = await chat.save();
        const third = await chat.send('three', options);
        const code = await model.restore(blob).then(String, (error) => error.details.option);
        const again = await model.restore(blob, { template });
        const history = again.history.length;
        const repeated = await again.send('three', options);
        return { first: { ...first }, second: { ...second }, third: { ...third }, repeated: { ...repeated }, code, history, said: chat.history.length };
      });
      assert.deepEqual([seen.history, seen.said, seen.code], [4, 6, 'template']);
      assert.ok(seen.second.usage.cachedTokens >= seen.first.usage.promptTokens, JSON.stringify(seen.second.usage));
      assert.deepEqual(seen.repeated.tokens, seen.third.tokens);
      assert.ok(seen.repeated.usage.cachedTokens > 0);
    });

    it('the model of a base has none: unsupported, unless the page brings one', async () => {
      const opened = await openPage(tab.browser, `${tab.site.url}/test/`);
      await loadInPage(opened.page, tab.url(BASE));
      const seen = await opened.page.evaluate(async () => {
        const code = ({ code: found }: { code: string }): string => found;
        const messages = [{ role: 'user', content: 'hello' }] as const;
        const template = (all: readonly { content: string }[]): string => all.map(({ content }) => content).join('\n');
        return [
          await model.generate(messages, { maxTokens: 2 }).then(String, code),
          await model.session().send('hello', { maxTokens: 2 }).then(String, code),
          await model.renderChat(messages).then(String, code),
          (await model.generate(messages, { maxTokens: 2, template, logitBias: { 1: -100, 106: -100 } })).tokens.length,
          (await model.session({ template }).send('hello', { maxTokens: 2, logitBias: { 1: -100, 106: -100 } })).tokens.length,
          await model.generate(messages, { template: (() => 5) as never }).then(String, code),
        ];
      });
      assert.deepEqual(seen, ['unsupported', 'unsupported', 'unsupported', 2, 2, 'invalid_option']);
      await opened.page.close();
    });
  });
});
