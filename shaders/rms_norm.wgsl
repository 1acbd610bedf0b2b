// y[r, :] = x[r0 + r, :] * rsqrt(mean(x[r0 + r, :]^2) + eps) * w       (w already holds Gemma's 1 + w)
// Shapes: x [.., N], w [N], y [R, N], all f32; R = T * rows_per_token (1, or the heads of q and k).
// Bindings: 0 params, 1 step, 2 x, 3 w, 4 y.
// Dispatch: (R): one workgroup of 64 a row.
// Reference: gemma_pytorch gemma/model.py RMSNorm; statistics in f32 as there.
struct Params {
    n_quads: u32,  // N / 4
    rows_per_token: u32,
    eps: f32,
    pad: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn rms_norm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x;
    let start = (step.first_row * params.rows_per_token + row) * params.n_quads;
    let to = row * params.n_quads;
    let live = row < step.n_tokens * params.rows_per_token;
    let n_quads = select(0u, params.n_quads, live);
    var squares = 0.0;
    for (var i = lane; i < n_quads; i += 64u) {
        let v = x[start + i];
        squares += dot(v, v);
    }
    let mean = workgroup_sum(lane, squares) / f32(4u * params.n_quads);
    let scale = 1.0 / sqrt(mean + params.eps);
    for (var i = lane; i < n_quads; i += 64u) {
        y[to + i] = x[start + i] * scale * w[i];
    }
}
