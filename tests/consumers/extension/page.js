// The page of a browser extension without a build step: the package lies beside it, and it has no inline scripts.

import { loadGemma } from './node_modules/gemma-web/index.js';
import { generateGolden } from './golden.js';

globalThis.outcome = generateGolden(loadGemma, '/models/tiny-gemma3-q4_0.gguf');
