// The published types, compiled as strictly as people may, and nothing public left out.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeProjects, runIn } from './apps.js';

let projects: Awaited<ReturnType<typeof makeProjects>>;
before(async () => {
  projects = await makeProjects(['types']);
});
after(() => projects.remove());

for (const project of ['tsconfig.json', 'adapters.json', 'ai.json']) {
  describe(project, () => {
    for (const resolution of ['bundler', 'node16']) {
      const module = resolution === 'bundler' ? 'esnext' : 'node16';
      it(resolution, async () => {
        await runIn(projects.folder('types'), ['tsc', '-p', project, '--module', module, '--moduleResolution', resolution]);
      });
    }
  });
}

/** The names that a declaration file exports. */
function exported(text: string): string[] {
  const lists = [...text.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list = '']) => list.split(','));
  const listed = lists.map((item) => item.trim().replace(/^type /, '').replace(/^.* as /, ''));
  const declared = [...text.matchAll(/export (?:declare )?(?:interface|type|class|function|const) (\w+)/g)].map(([, name = '']) => name);
  return [...listed, ...declared].filter((name) => name !== '');
}

describe('every public name is used', () => {
  for (const [entry, user] of [
    ['index', 'core'],
    ['adapters/openai', 'adapters'],
    ['adapters/ai-sdk', 'adapters'],
    ['adapters/language-model', 'adapters'],
  ] as const) {
    it(entry, () => {
      const folder = projects.folder('types');
      const names = exported(readFileSync(join(folder, `node_modules/gemma-web/${entry}.d.ts`), 'utf8'));
      assert.ok(names.length > 1, 'no names were found');
      const used = readFileSync(join(folder, `${user}.ts`), 'utf8');
      const missing = names.filter((name) => !new RegExp(`\\b${name}\\b`).test(used));
      assert.deepEqual(missing, []);
    });
  }
});
