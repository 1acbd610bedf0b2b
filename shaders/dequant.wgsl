// x[t, :] = W[step.first_row + t, :]           for the rows that this part of W holds
// Shapes: W [N, K] block-quantised, rows first_row.. of it in this part; x [T, K] f32.
// Bindings: 0 params, 1 step, 2 x; group 1 the planes of W.
// Dispatch: (ceil(K / 16 / 64), T): one invocation writes sixteen values.
// Reference: Format::decode in src/quant/format.rs, bit for bit. For tests: the engine never writes decoded weights.
// Uses: step weights
struct Params {
    n_groups: u32,  // K / 16
    first_row: u32,
    n_rows: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn dequant(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.n_groups || at.y >= step.n_tokens) {
        return;
    }
    let row = step.first_row + at.y - params.first_row; // wraps to a huge row for rows of an earlier part
    if (row >= params.n_rows) {
        return;
    }
    let w = weights16(row * params.n_groups + at.x);
    let out = (at.y * params.n_groups + at.x) * 4u;
    x[out] = w[0];
    x[out + 1u] = w[1];
    x[out + 2u] = w[2];
    x[out + 3u] = w[3];
}
