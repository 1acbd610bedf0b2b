// Sum over the LANES invocations of a workgroup, through workgroup memory. Every invocation must call it.
var<workgroup> lane_sums: array<f32, LANES>;

// The sum over the workgroup, given to all.
fn workgroup_sum(index: u32, own: f32) -> f32 {
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
