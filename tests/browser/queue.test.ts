// The order of calls: fair between sessions, in order within one, and aborted at once.
// Runs alone: its calls must end within 200 ms.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withModel } from './support/setup.js';
import { CHAT } from './support/tiny-model.js';
import { pause } from './support/waiting.js';
import { ROOT } from './support/site.js';

withModel(CHAT, { contextLength: 512 }, (tab) => {
  it('one session with much to say does not keep another waiting', async () => {
    const order = await tab.page.evaluate(async () => {
      const options = { maxTokens: 2, temperature: 0 };
      const [a, b] = [model.session(), model.session()];
      await Promise.all([a.send('x', options), b.send('x', options)]);
      const ended: string[] = [];
      const note = (name: string) => (): void => void ended.push(name);
      const long = model.generate([2, 10], { maxTokens: 20, temperature: 0, logitBias: { 1: -100, 106: -100 } }).then(note('first'));
      const calls = [1, 2, 3, 4].map((n) => model.generate([2, 10], options).then(note(`plain ${n}`)));
      const sends = [a.send('one', options).then(note('a')), b.send('one', options).then(note('b'))];
      await Promise.all([long, ...calls, ...sends]);
      return ended;
    });
    const plain = order.filter((name) => name.startsWith('plain'));
    assert.deepEqual(plain, ['plain 1', 'plain 2', 'plain 3', 'plain 4']);
    assert.equal(order[0], 'first');
    // Each session gets its turn before the second of the earlier calls without a session.
    assert.ok(order.indexOf('a') < order.indexOf('plain 3') && order.indexOf('b') < order.indexOf('plain 3'), order.join(', '));
  });

  it('a call that waits is aborted at once, whatever runs', async () => {
    const seen = await tab.page.evaluate(async () => {
      const name = (error: { name: string }): string => error.name;
      const begin = performance.now();
      const done = { running: false };
      const running = model.generate([2, 10], { maxTokens: 120, temperature: 0, logitBias: { 1: -100, 106: -100 } }).then(() => (done.running = true));
      const chat = model.session();
      const stops = Array.from({ length: 5 }, () => new AbortController());
      const waiting = stops.map(({ signal }, index) =>
        (index % 2 === 0 ? model.generate('a', { signal }) : chat.send('a', { signal })).then(String, (error) => `${name(error)} ${done.running}`),
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
      const aborted = performance.now();
      for (const stop of stops) stop.abort();
      const names = await Promise.all(waiting);
      const ms = performance.now() - aborted;
      await running;
      const { submits } = await model.stats();
      await model.generate([2, 10], { maxTokens: 1 });
      return { names, ms, all: performance.now() - begin, submits, history: chat.history.length };
    });
    assert.deepEqual(seen.names, Array(5).fill('AbortError false'));
    assert.ok(seen.ms < 200, `it took ${seen.ms} ms`);
    assert.equal(seen.history, 0);
  });
});

describe('the queue', () => {
  it('takes parties in turns, keeps the order within one, and lets what waits be withdrawn', async () => {
    const { FairQueue } = (await import(`file://${ROOT}/dist/gemma-web/engine/fair-queue.js`)) as typeof import('../../www/lib/engine/fair-queue.js');
    const queue = new FairQueue();
    const ran: string[] = [];
    const job = (name: string) => async (): Promise<void> => {
      await Promise.resolve();
      ran.push(name);
    };
    const first = queue.add('a', job('a1'));
    queue.add('a', job('a2'));
    const withdraw = queue.add('a', job('never'));
    queue.add('a', job('a3'));
    queue.add('b', job('b1'));
    queue.add('c', job('c1'));
    const alone = queue.add('d', job('never'));
    queue.add('b', job('b2'));
    assert.deepEqual([first(), withdraw(), withdraw(), alone()], [false, true, false, true]);
    await pause(10);
    assert.deepEqual(ran, ['a1', 'a2', 'b1', 'c1', 'a3', 'b2']);
    queue.add('e', job('later'));
    await pause(10);
    assert.equal(ran.at(-1), 'later');
  });
});
