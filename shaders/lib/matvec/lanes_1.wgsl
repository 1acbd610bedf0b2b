// One lane for four rows: no reduction, and hardly any barrier. For adapters that run workgroups on a CPU.
const UNIT: u32 = 1u;    // lanes that share four rows
const LANES: u32 = 32u;  // per workgroup

// The sum over the lanes of a unit.
fn unit_sum(index: u32, lane: u32, own: vec4<f32>) -> vec4<f32> {
    return own;
}
