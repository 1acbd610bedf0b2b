// The consumer in Node.js, on the WebGPU of npm's `webgpu`. It prints the generated text.

import { loadGemma } from 'gemma-web';
import { create } from 'webgpu';
import { generateGolden } from './golden.js';

// Server-side rendering imports everything, and has nothing of a browser.
for (const subpath of ['openai', 'ai-sdk', 'language-model']) await import(`gemma-web/${subpath}`);

const outcome = await generateGolden(loadGemma, process.argv[2], { gpu: create([]) });
console.log(JSON.stringify(outcome));
