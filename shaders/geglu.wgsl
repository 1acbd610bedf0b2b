// y[i] = gelu_tanh(gate[i]) * up[i]
// Shapes: gate, up, y [T, F] f32.
// Bindings: 0 params, 1 step, 2 gate, 3 up, 4 y.
// Dispatch: (ceil(F / 4 / 64), T): one invocation four values.
// Reference: gemma_pytorch gemma/model.py GemmaMLP.
struct Params {
    n_quads: u32,  // F / 4
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> gate: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> up: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn geglu(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.n_quads || at.y >= step.n_tokens) {
        return;
    }
    let i = at.y * params.n_quads + at.x;
    let g = gate[i];
    y[i] = vec4<f32>(gelu_tanh(g.x), gelu_tanh(g.y), gelu_tanh(g.z), gelu_tanh(g.w)) * up[i];
}
