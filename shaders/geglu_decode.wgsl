// acts[out + n] = gelu_tanh(gate[n]) * up[n]         for one token, if one dispatch could not compute gate and up together; and its codes
// Shapes: gate, up, out [N] f32 in acts, gate and up one after the other.
// Bindings: 0 params, 2 acts.
// Dispatch: (ceil(N / 16 / 64)): one invocation per sixteen values.
// Reference: gemma_pytorch gemma/model.py GemmaMLP.
// Uses: math acts codes
struct Params {
    n_groups: u32,  // N / 16
    gate_up: u32,   // quad of acts
    out: u32,
    codes: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

fn gated4(i: u32) -> vec4<f32> {
    let g = quad(params.gate_up + i);
    let up = quad(params.gate_up + 4u * params.n_groups + i);
    return gelu_tanh(g) * up;
}

@compute @workgroup_size(64)
fn geglu_decode(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.n_groups) {
        return;
    }
    let i = 4u * at.x;
    let v = mat4x4<f32>(gated4(i), gated4(i + 1u), gated4(i + 2u), gated4(i + 3u));
    acts[params.out + i] = bitcast<vec4<u32>>(v[0]);
    acts[params.out + i + 1u] = bitcast<vec4<u32>>(v[1]);
    acts[params.out + i + 2u] = bitcast<vec4<u32>>(v[2]);
    acts[params.out + i + 3u] = bitcast<vec4<u32>>(v[3]);
    put_codes(params.codes + 2u * at.x, v);
}
