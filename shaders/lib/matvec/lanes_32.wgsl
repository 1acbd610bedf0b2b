// Thirty-two lanes for four rows, so that neighbouring lanes read neighbouring weights. For GPUs. Sums through workgroup memory:
// every invocation must call unit_sum.
const UNIT: u32 = 32u;    // lanes that share four rows
const LANES: u32 = 256u;  // per workgroup
var<workgroup> unit_sums: array<vec4<f32>, LANES>;

// The sum over the lanes of a unit, given to its first lane.
fn unit_sum(index: u32, lane: u32, own: vec4<f32>) -> vec4<f32> {
    unit_sums[index] = own;
    workgroupBarrier();
    for (var stride = UNIT / 2u; stride > 0u; stride >>= 1u) {
        if (lane < stride) {
            unit_sums[index] += unit_sums[index + stride];
        }
        workgroupBarrier();
    }
    return unit_sums[index];
}
