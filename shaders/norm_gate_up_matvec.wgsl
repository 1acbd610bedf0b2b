// acts[out + n] = gelu_tanh(gate[n]) * up[n]         gate, up = W norm(x + post_norm(y)), for one token; and its codes
// Shapes: W [2N, K] block-quantised: n_rows of gate, then as many of up (of another format: group 2); x, y, out in acts, f32.
// Bindings: 0 params, 2 acts, 3 norms; group 1 the planes of W, group 2 those of up if its format differs.
// Dispatch: (ceil(N / (4 * LANES / UNIT))): four rows of gate and four of up per unit of lanes.
// Reference: gemma_pytorch gemma/model.py GemmaMLP; research on fused decode kernels in WebGPU.
// Uses: math acts codes matvec/common matvec/lanes matvec/input matvec/normed matvec/rows
var<workgroup> gated: array<vec4<f32>, LANES / UNIT>;

@compute @workgroup_size(LANES)
fn norm_gate_up_matvec(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let lane = index % UNIT;
    let unit = index / UNIT;
    let row = (group.x * (LANES / UNIT) + unit) * 4u;
    let scales = norm_scales(index, group.x == 0u);
    var sums = mat2x4<f32>();
    for (var begin = 0u; begin < params.n_groups; begin += TILE) {
        let end = min(begin + TILE, params.n_groups);
        stage_normed(index, begin, end, scales);
        workgroupBarrier();
        if (row < params.n_rows) {
            sums += gate_up4(row, begin, end, lane);
        }
        workgroupBarrier();
    }
    let gate = unit_sum(index, lane, sums[0]);
    let up = unit_sum(index, lane, sums[1]);
    if (lane == 0u) {
        let g = gelu_tanh(gate) * up;
        gated[unit] = g;
        if (row < params.n_rows) {
            acts[params.out + (row >> 2u)] = bitcast<vec4<u32>>(g);
        }
    }
    workgroupBarrier();
    // Four units make a group of codes.
    let first = (group.x * (LANES / UNIT) + 4u * index) * 4u;
    if (index < LANES / UNIT / 4u && first < params.n_rows) {
        let at = 4u * index;
        let v = mat4x4<f32>(gated[at], gated[at + 1u], gated[at + 2u], gated[at + 3u]);
        put_codes(params.codes + (first >> 3u), v);
    }
}
