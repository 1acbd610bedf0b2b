// Rows [T, K] that a kernel computes for a product in int8: sixteen values per call, `group` counts sixteens, two quads each. The kernel
// binds `operand`.
// Uses: encode
fn put16(group: u32, x: mat4x4<f32>) {
    let input = encode16(x);
    operand[2u * group] = input.q;
    operand[2u * group + 1u] = scale_quad(input);
}
