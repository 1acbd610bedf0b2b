// The package's worker, whose GPU a test can take away.
import './gpu.js';
import '/gemma-web/worker.js';
