// Puts the package, unbundled as a static host serves it, where the tests reach it.
import * as gemmaWeb from '/gemma-web/index.js';
import { makeSource } from './sources.js';

Object.assign(globalThis, { gemmaWeb, makeSource });
