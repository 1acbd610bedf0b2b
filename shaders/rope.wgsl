// y[t, h, i] = x[t, h, i] cos a - x[t, h, i + C/2] sin a;  y[t, h, i + C/2] = x[t, h, i + C/2] cos a + x[t, h, i] sin a
// Shapes: x, y [T, H, C] f32; a = (position + t) * frequency[i].
// Bindings: 0 params, 1 step, 2 rope_table, 3 x, 4 y.
// Dispatch: (ceil(H * C / 64), T): one invocation a channel.
// Reference: gemma_pytorch gemma/model.py apply_rotary_emb.
struct Params {
    n_channels: u32,  // H * C
    head_len: u32,    // C, a power of two
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> rope_table: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn rope(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.n_channels || at.y >= step.n_tokens) {
        return;
    }
    let n_pairs = params.head_len >> 1u;
    let i = at.y * params.n_channels + at.x;
    let channel = at.x & (params.head_len - 1u);
    y[i] = rotated(x[i], x[i ^ n_pairs], channel, step.position + at.y, n_pairs);
}
