// Thirty-two lanes share four rows, so that neighbouring lanes read neighbouring weights. For GPUs.
const UNIT: u32 = 32u;    // lanes that share four rows
const LANES: u32 = 256u;  // a workgroup
