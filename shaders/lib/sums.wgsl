// Sums over the lanes of a unit and of a workgroup, through workgroup memory. Every invocation must call them.
var<workgroup> unit_sums: array<vec4<f32>, LANES>;
var<workgroup> lane_sums: array<f32, LANES>;

// The sum over the lanes of a unit, given to its first lane.
fn unit_sum(index: u32, lane: u32, own: vec4<f32>) -> vec4<f32> {
    if (UNIT == 1u) {
        return own;
    }
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

// The sum over the workgroup, given to all.
fn lanes_sum(index: u32, own: f32) -> f32 {
    lane_sums[index] = own;
    workgroupBarrier();
    for (var stride = LANES / 2u; stride > 0u; stride >>= 1u) {
        if (index < stride) {
            lane_sums[index] += lane_sums[index + stride];
        }
        workgroupBarrier();
    }
    let total = lane_sums[0];
    workgroupBarrier();
    return total;
}
