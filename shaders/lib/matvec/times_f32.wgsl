// Sixteen weights times sixteen activations, f32 throughout.
fn times16(group: u32, a: mat4x4<f32>) -> f32 {
    return dot16(weights16(group), a);
}
