// The text of a seed: the same again and again, whatever ran in between.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onTestPage } from './support/setup.js';
import { BASE, chatModels, loadInPage } from './support/tiny-model.js';

const RUNS = 20;

onTestPage({ models: chatModels }, (tab) => {
  it(`${RUNS} runs of one seed are one text, in two loads of the model`, async () => {
    const seen: string[] = [];
    let other = '';
    for (let round = 0; round < 2; round += 1) {
      await loadInPage(tab.page, tab.url(BASE), { contextLength: 128 });
      const found = await tab.page.evaluate(async (count) => {
        const drawn = async (seed: number): Promise<string> => {
          const { tokens, text } = await model.generate('Alice was beginning', { seed, temperature: 1, topK: 40, maxTokens: 16 });
          return JSON.stringify([tokens, text]);
        };
        const all: string[] = [];
        for (let run = 0; run < count; run += 1) {
          all.push(await drawn(7));
          // The cache then holds another text.
          if (run % 5 === 0) await drawn(run + 100);
        }
        return { all, other: await drawn(8) };
      }, RUNS / 2);
      seen.push(...found.all);
      other = found.other;
    }
    assert.equal(seen.length, RUNS);
    assert.equal(new Set(seen).size, 1, [...new Set(seen)].join('\n'));
    assert.notEqual(other, seen[0], 'another seed draws something else');
  });
});
