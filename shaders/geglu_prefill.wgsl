// operand[t, i] = gelu_tanh(gate_up[t, i]) * gate_up[t, F + i]
// Shapes: gate_up [T, 2 F] f32; operand [T, F].
// Bindings: 0 params, 1 step, 2 gate_up; group 1 the operand, in f32 or int8.
// Dispatch: (ceil(F / 16 / 64), T): one invocation per sixteen values.
// Reference: gemma_pytorch gemma/model.py GemmaMLP.
// Uses: step math operand
struct Params {
    n_groups: u32,  // F / 16
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> gate_up: array<vec4<f32>>;
@group(1) @binding(0) var<storage, read_write> operand: array<vec4<u32>>;

fn gated(gate: u32) -> vec4<f32> {
    return gelu_tanh(gate_up[gate]) * gate_up[gate + 4u * params.n_groups];
}

@compute @workgroup_size(64)
fn geglu_prefill(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.n_groups || at.y >= step.n_tokens) {
        return;
    }
    let gate = 8u * at.y * params.n_groups + 4u * at.x;
    put16(at.y * params.n_groups + at.x, mat4x4<f32>(gated(gate), gated(gate + 1u), gated(gate + 2u), gated(gate + 3u)));
}
