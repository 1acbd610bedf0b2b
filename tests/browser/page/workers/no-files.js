// The package's worker where the browser has no private file system, as in private windows of some.
import './without-files.js';
import '/gemma-web/worker.js';
