// operand[t, g] = (c, s, s sum_i c[i])       c[i] = round(x[t, 16 g + i] / s), s = max_i |x[t, 16 g + i]| / 127
// Shapes: x [T, K] f32; operand [T, K / 16] groups of sixteen signed bytes and two f32, two quads each.
// Bindings: 0 params, 1 step, 2 x; group 1 operand.
// Dispatch: (ceil(K / 16 / 64), T): one invocation a group.
// Reference: llama.cpp ggml-quants.c quantize_row_q8_1 (scale and sum), with groups of 16.
struct Params {
    n_groups: u32,  // K / 16
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn quantize(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.n_groups || at.y >= step.n_tokens) {
        return;
    }
    let group = at.y * params.n_groups + at.x;
    let quad = 4u * group;
    put16(group, mat4x4<f32>(x[quad], x[quad + 1u], x[quad + 2u], x[quad + 3u]));
}
