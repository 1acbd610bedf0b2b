// acts[out + n] = sum_k W[n, k] x[k]         for one token: the output projections of attention and of the feed-forward
// Shapes: W [N, K] block-quantised (this part's rows); x and its codes, out in acts.
// Bindings: 0 params, 2 acts; group 1 the planes of W.
// Dispatch: (ceil(N / (4 * LANES / UNIT))): four rows per unit of lanes.
// Reference: research on GEMV in WebGPU engines: amortise x over several rows, decode in registers.
// Uses: acts matvec/common matvec/lanes matvec/rows
@compute @workgroup_size(LANES)
fn matvec(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let lane = index % UNIT;
    let row = (group.x * (LANES / UNIT) + index / UNIT) * 4u;
    let sum = unit_sum(index, lane, rows4(row, 0u, params.n_groups, lane));
    if (lane == 0u && row < params.n_rows) {
        acts[column(row)] = bitcast<vec4<u32>>(sum);
    }
}
