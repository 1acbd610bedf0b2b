// The package's worker without a private file system, as in private windows of some browsers.
import './without-files.js';
import '/gemma-web/worker.js';
