// Rows that a kernel makes for a product with int8 activations: sixteen values a call, `group` counts sixteens from the start of
// [T, K]. x = s * codes with s = max|x| / 127; scales hold (s, s * sum of the codes): the second meets the weights' offsets.
@group(1) @binding(0) var<storage, read_write> codes: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read_write> scales: array<vec2<f32>>;

// Four whole numbers -127..127 as signed bytes.
fn packed4(x: vec4<f32>) -> u32 {
    let bytes = bitcast<vec4<u32>>(vec4<i32>(x)) & vec4<u32>(0xffu);
    return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}

fn put16(group: u32, x: mat4x4<f32>) {
    let four = max(max(abs(x[0]), abs(x[1])), max(abs(x[2]), abs(x[3])));
    let largest = max(max(four.x, four.y), max(four.z, four.w));
    // Below 1e-30 the reciprocal would overflow; such values count as zeros.
    let live = largest > 1e-30;
    let inverse = select(0.0, 127.0 / largest, live);
    let scale = select(0.0, largest / 127.0, live);
    let a = round(x[0] * inverse);
    let b = round(x[1] * inverse);
    let c = round(x[2] * inverse);
    let d = round(x[3] * inverse);
    let sum = dot(a + b + c + d, vec4<f32>(1.0));
    codes[group] = vec4<u32>(packed4(a), packed4(b), packed4(c), packed4(d));
    scales[group] = vec2<f32>(scale, scale * sum);
}
