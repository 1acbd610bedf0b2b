// The script of the pages that name the package. The runner waits for `outcome`.

import { loadGemma } from 'gemma-web';
import { generateGolden } from './golden.js';

globalThis.outcome = generateGolden(loadGemma, '/models/tiny-gemma3-q4_0.gguf');
