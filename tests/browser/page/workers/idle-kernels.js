// The package's worker with kernels that do nothing, which compile at once: for tests that are about bytes on a browser whose GPU is a
// program, where compiling takes most of a load and holds up everything else.
import './without-arithmetic.js';
import '/gemma-web/worker.js';
