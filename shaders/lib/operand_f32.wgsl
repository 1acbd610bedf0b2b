// Rows [T, K] that a kernel computes for a product in f32: sixteen values per call, `group` counts sixteens. The kernel binds `operand`.
fn put16(group: u32, x: mat4x4<f32>) {
    let at = 4u * group;
    operand[at] = bitcast<vec4<u32>>(x[0]);
    operand[at + 1u] = bitcast<vec4<u32>>(x[1]);
    operand[at + 2u] = bitcast<vec4<u32>>(x[2]);
    operand[at + 3u] = bitcast<vec4<u32>>(x[3]);
}
