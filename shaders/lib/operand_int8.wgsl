// Rows that a kernel makes for a product with int8 activations: sixteen values a call, `group` counts sixteens from the start of
// [T, K]. x = s * codes with s = max|x| / 127; scales hold (s, s * sum of the codes): the second meets the weights' offsets.
@group(1) @binding(0) var<storage, read_write> codes: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read_write> scales: array<vec2<f32>>;

fn put16(group: u32, x: mat4x4<f32>) {
    let input = encode16(x);
    codes[group] = input.q;
    scales[group] = vec2<f32>(input.s, input.sum);
}
