// The entry of the test page: puts the package, unbundled as on a static host, where tests reach it.
import * as gemmaWeb from '/gemma-web/index.js';
import { makeSource } from './sources.js';

Object.assign(globalThis, { gemmaWeb, makeSource });
