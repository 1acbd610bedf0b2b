// The package's worker with kernels that do nothing and compile at once: for tests about bytes on a browser whose GPU is a program.
// There, compiling takes most of a load and holds up everything else.
import './without-arithmetic.js';
import '/gemma-web/worker.js';
