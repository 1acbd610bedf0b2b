// Rows that a kernel makes for a product with int8 activations: sixteen values a call, `group` counts sixteens from the start of
// [T, K]. A group takes two quads: sixteen signed bytes, then (scale, scale * sum of the codes).
@group(1) @binding(0) var<storage, read_write> operand: array<vec4<u32>>;

fn put16(group: u32, x: mat4x4<f32>) {
    let input = encode16(x);
    operand[2u * group] = input.q;
    operand[2u * group + 1u] = bitcast<vec4<u32>>(vec4<f32>(input.s, input.sum, 0.0, 0.0));
}
