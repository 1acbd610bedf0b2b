// Four rows a lane: no reduction and hardly a barrier. For adapters that run workgroups on a CPU.
const UNIT: u32 = 1u;    // lanes that share four rows
const LANES: u32 = 32u;  // a workgroup
