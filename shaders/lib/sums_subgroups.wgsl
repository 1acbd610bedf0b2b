// Sum over the LANES invocations of a workgroup, by subgroups of any size, then with one barrier through workgroup memory. Every
// invocation must call it.
var<workgroup> lane_sums: array<f32, LANES>;

// The sum over the workgroup, given to all.
fn workgroup_sum(index: u32, own: f32) -> f32 {
    let size = subgroupAdd(1u);
    lane_sums[index] = subgroupAdd(own);
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < LANES; i += size) {
        total += lane_sums[i];
    }
    workgroupBarrier();
    return total;
}
