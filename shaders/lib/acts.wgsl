// Activations of one token: all lie in one buffer, which is counted in quads (four f32, or sixteen codes).
@group(0) @binding(2) var<storage, read_write> acts: array<vec4<u32>>;

// Four values.
fn quad(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(acts[i]);
}
