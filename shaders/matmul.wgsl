// y[t, first_row + n] = sum_k W[n, k] x[t, k]         for many tokens: W is decoded once a tile
// Shapes: W [N, K] block-quantised (this part's rows); x [T, K], y [T, n_total] f32.
// Bindings: 0 params, 1 step, 2 x, 3 y; group 1 the planes of W.
// Dispatch: (ceil(N / 64), ceil(T / 64)): a workgroup of 16 x 16 makes 64 x 64 outputs, 4 x 4 an invocation, 32 of K a step.
// Reference: the usual register-blocked GEMM; both tiles fill the 16 KiB of workgroup memory that WebGPU guarantees.
struct Params {
    n_rows: u32,     // N
    n_groups: u32,   // K / 16
    first_row: u32,  // of this part within y
    n_total: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// [quad of k][row]: neighbouring invocations read neighbouring rows.
var<workgroup> tile_w: array<vec4<f32>, 512>;
var<workgroup> tile_x: array<vec4<f32>, 512>;

fn load_weights(index: u32, first: u32, step_ix: u32) {
    if (index >= 128u) {
        return;
    }
    let row = index & 63u;
    let half = index >> 6u;
    let group = step_ix * 2u + half;
    var w = mat4x4<f32>();
    if (first + row < params.n_rows && group < params.n_groups) {
        w = weights16((first + row) * params.n_groups + group);
    }
    let at = half * 256u + row;
    tile_w[at] = w[0];
    tile_w[at + 64u] = w[1];
    tile_w[at + 128u] = w[2];
    tile_w[at + 192u] = w[3];
}

fn load_inputs(index: u32, first: u32, step_ix: u32) {
    let quad = index & 7u;
    let at = step_ix * 8u + quad;
    for (var row = index >> 3u; row < 64u; row += 32u) {
        var v = vec4<f32>();
        if (first + row < step.n_tokens && at < 4u * params.n_groups) {
            v = x[(first + row) * 4u * params.n_groups + at];
        }
        tile_x[quad * 64u + row] = v;
    }
}

@compute @workgroup_size(256)
fn matmul(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let column = index & 15u;
    let line = index >> 4u;
    let n_steps = (params.n_groups + 1u) >> 1u;
    var sum = mat4x4<f32>(); // [token][row]
    for (var i = 0u; i < n_steps; i++) {
        load_weights(index, group.x * 64u, i);
        load_inputs(index, group.y * 64u, i);
        workgroupBarrier();
        for (var k = 0u; k < 512u; k += 64u) {
            let w0 = tile_w[k + column];
            let w1 = tile_w[k + column + 16u];
            let w2 = tile_w[k + column + 32u];
            let w3 = tile_w[k + column + 48u];
            let x0 = tile_x[k + line];
            let x1 = tile_x[k + line + 16u];
            let x2 = tile_x[k + line + 32u];
            let x3 = tile_x[k + line + 48u];
            sum[0] += vec4<f32>(dot(w0, x0), dot(w1, x0), dot(w2, x0), dot(w3, x0));
            sum[1] += vec4<f32>(dot(w0, x1), dot(w1, x1), dot(w2, x1), dot(w3, x1));
            sum[2] += vec4<f32>(dot(w0, x2), dot(w1, x2), dot(w2, x2), dot(w3, x2));
            sum[3] += vec4<f32>(dot(w0, x3), dot(w1, x3), dot(w2, x3), dot(w3, x3));
        }
        workgroupBarrier();
    }
    for (var t = 0u; t < 4u; t++) {
        let token = group.y * 64u + line + 16u * t;
        for (var n = 0u; n < 4u; n++) {
            let row = group.x * 64u + column + 16u * n;
            if (token < step.n_tokens && row < params.n_rows) {
                y[token * params.n_total + params.first_row + row] = sum[t][n];
            }
        }
    }
}
