// A workgroup for adapters that run workgroups on a CPU, and that take long to compile kernels with much workgroup memory.
const LANES: u32 = 32u;
