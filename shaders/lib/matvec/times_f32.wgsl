// Sixteen weights times sixteen activations, f32 throughout.
// Uses: weights
fn times16(group: u32, a: mat4x4<f32>) -> f32 {
    let w = weights16(group);
    return dot(w[0], a[0]) + dot(w[1], a[1]) + dot(w[2], a[2]) + dot(w[3], a[3]);
}
