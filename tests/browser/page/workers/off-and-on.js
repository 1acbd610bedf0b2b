// The package's worker, whose network a test can take away and give back as far as the worker can tell.
import './without-arithmetic.js';
import './connection.js';
import '/gemma-web/worker.js';
