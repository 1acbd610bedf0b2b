// A workgroup for GPUs: the more lanes, the more of them share what they read.
const LANES: u32 = 64u;
