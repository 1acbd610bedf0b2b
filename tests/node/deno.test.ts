// The package in Deno, whose WebGPU is its own: without a worker, and in one.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { tinyGoldens } from '../browser/support/goldens.js';
import { ROOT, TINY } from '../browser/support/site.js';

const NAME = 'tiny-gemma3-q4_0.gguf';
const PACKAGE = pathToFileURL(join(ROOT, 'dist/gemma-web/index.js')).href;
const DENO = join(ROOT, 'www/node_modules/.bin/deno');

const SCRIPT = `
  import { loadGemma, probe } from ${JSON.stringify(PACKAGE)};
  const [path, ids] = [Deno.args[0], JSON.parse(Deno.args[1])];
  const { verdict } = await probe();
  const found = [];
  if (verdict !== 'unavailable') {
    const ways = [[path, { worker: false }], [new Blob([await Deno.readFile(path)]), {}], [path, { gpu: navigator.gpu }]];
    for (const [source, options] of ways) {
      const model = await loadGemma(source, { ...options, kv: 'f32', tuning: 'f32/1' });
      const { tokens } = await model.generate(ids, { maxTokens: 4, temperature: 0 });
      const chat = model.session({ template: (all) => all.map(({ content }) => content).join(' ') });
      const { text } = await chat.send('hello', { maxTokens: 4, temperature: 0 });
      found.push({ tokens, text });
      model.dispose();
    }
  }
  console.log(JSON.stringify({ verdict, found }));
`;

it('Deno: the golden text on the main thread, in a worker and on a GPU that is given', async (context) => {
  const golden = tinyGoldens(NAME)[1];
  assert.ok(golden);
  const folder = mkdtempSync(join(tmpdir(), 'gemma-web-'));
  writeFileSync(join(folder, 'main.mjs'), SCRIPT);
  const env = { ...process.env, DENO_DIR: folder, DENO_NO_UPDATE_CHECK: '1' };
  const args = ['run', '--allow-all', '--unstable-webgpu', join(folder, 'main.mjs'), join(TINY, NAME), JSON.stringify(golden.ids)];
  const { stdout } = await promisify(execFile)(DENO, args, { env, timeout: 300_000 });
  const { verdict, found } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { verdict: string; found: { tokens: number[]; text: string }[] };
  if (verdict === 'unavailable' && !process.env['CI']) return context.skip('Deno finds no adapter here');
  assert.equal(found.length, 3, verdict);
  for (const { tokens, text } of found) {
    assert.deepEqual(tokens, golden.greedy.slice(0, 4));
    assert.equal(text, found[0]?.text);
  }
});
