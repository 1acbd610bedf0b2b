// x[t, :] = scale * E[ids[t], :]           for the ids that this part of E holds
// Shapes: E [V, D] block-quantised, rows first_row.. of it in this part; ids [T]; x [T, D] f32.
// Bindings: 0 params, 1 step, 2 ids, 3 x; group 1 the planes of E.
// Dispatch: (ceil(D / 16 / 64), T): one invocation writes sixteen values.
// Reference: llama.cpp src/models/gemma.cpp, build_inp_embd and ggml_scale by sqrt(n_embd).
// Uses: step weights
struct Params {
    n_groups: u32,  // D / 16
    first_row: u32,
    n_rows: u32,
    scale: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn embed(@builtin(global_invocation_id) at: vec3<u32>) {
    let token = at.y;
    if (at.x >= params.n_groups || token >= step.n_tokens) {
        return;
    }
    let row = ids[token] - params.first_row; // wraps to a huge row for ids of an earlier part
    if (row >= params.n_rows) {
        return;
    }
    let w = weights16(row * params.n_groups + at.x);
    let out = (token * params.n_groups + at.x) * 4u;
    x[out] = params.scale * w[0];
    x[out + 1u] = params.scale * w[1];
    x[out + 2u] = params.scale * w[2];
    x[out + 3u] = params.scale * w[3];
}
