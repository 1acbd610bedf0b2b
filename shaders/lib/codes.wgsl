// Store of sixteen values among the activations as int8 codes: two quads from `at` on.
// Uses: acts encode
fn put_codes(at: u32, v: mat4x4<f32>) {
    let a = encode16(v);
    acts[at] = a.q;
    acts[at + 1u] = scale_quad(a);
}
