// The packed tarball in Node.js. Without a Vulkan driver it is skipped, or fails if a GPU is required.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { TINY } from '../browser/support/site.js';
import { makeProjects, runIn } from './apps.js';
import { GOLDEN } from './expected.js';

let projects: Awaited<ReturnType<typeof makeProjects>>;
before(async () => {
  projects = await makeProjects(['node']);
});
after(() => projects.remove());

it('generates the golden text', async (context) => {
  const model = join(TINY, 'tiny-gemma3-q4_0.gguf');
  const printed = await runIn(projects.folder('node'), ['node', 'main.js', model]).catch((error: unknown) => {
    if (/no_webgpu/.test(String(error)) && !process.env['GEMMA_WEB_REQUIRE_GPU']) return undefined;
    throw error;
  });
  if (printed === undefined) return context.skip('there is no GPU for Node.js');
  assert.deepEqual(JSON.parse(printed), GOLDEN);
});
