// acts[out + n] = sum_k W[n, k] norm(x + post_norm(y))[k]         for one token: q, k and v of a layer in one dispatch
// Shapes: W [N, K] block-quantised, the first n_rows of one format and n_more of another (or none); x, y, out in acts, f32.
// Bindings: 0 params, 2 acts, 3 norms; group 1 the planes of W, group 2 those of the second format.
// Dispatch: (ceil(N / (4 * LANES / UNIT))): four rows per unit of lanes.
// Reference: llama.cpp src/models/gemma3.cpp (order of norms and additions); research on fused decode kernels in WebGPU.
// Uses: acts matvec/common matvec/lanes matvec/normed
@compute @workgroup_size(LANES)
fn norm_matvec(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let lane = index % UNIT;
    let row = (group.x * (LANES / UNIT) + index / UNIT) * 4u;
    let scales = norm_scales(index, group.x == 0u);
    let sum = unit_sum(index, lane, normed_rows4(row, index, lane, scales));
    if (lane == 0u && row < params.n_rows + params.n_more) {
        acts[column(row)] = bitcast<vec4<u32>>(sum);
    }
}
