// x[i] += y[i]
// Shapes: x, y [T, N] f32.
// Bindings: 0 params, 1 step, 2 y, 3 x.
// Dispatch: (ceil(N / 4 / 64), T): one invocation four values.
// Reference: the residual connections of gemma_pytorch gemma/model.py GemmaDecoderLayer.
struct Params {
    n_quads: u32,  // N / 4
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn add(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.n_quads || at.y >= step.n_tokens) {
        return;
    }
    let i = at.y * params.n_quads + at.x;
    x[i] += y[i];
}
