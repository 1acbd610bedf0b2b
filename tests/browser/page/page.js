// The entry of the test page: makes the package, unbundled as on a static host, a global for the tests.
import * as gemmaWeb from '/gemma-web/index.js';
import { makeSource } from './sources.js';

Object.assign(globalThis, { gemmaWeb, makeSource });
