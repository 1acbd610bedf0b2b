// x[i] = cap tanh(x[i] / cap)
// Shapes: x [T, V] f32.
// Bindings: 0 params, 1 step, 2 x.
// Dispatch: (ceil(V / 64), T): one invocation per value.
// Reference: gemma_pytorch gemma/model.py, final_logit_softcapping.
// Uses: step math
struct Params {
    n_cols: u32,  // V
    softcap: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn softcap_logits(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.n_cols || at.y >= step.n_tokens) {
        return;
    }
    let i = at.y * params.n_cols + at.x;
    x[i] = softcap(vec4<f32>(x[i]), params.softcap).x;
}
