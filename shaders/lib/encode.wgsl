// Int8 form of activations: sixteen signed bytes, a scale, and the scaled sum of the codes. Twin: src/kernels/quantize.rs.
struct Input16 {
    q: vec4<u32>,  // codes
    s: f32,        // scale
    sum: f32,      // scale * sum of the codes
}

// The largest magnitude, by the bits: there NaN is above all numbers, while a maximum of floats may lose it.
fn largest16(v: mat4x4<f32>) -> f32 {
    let bits = vec4<u32>(0x7fffffffu);
    let m = max(
        max(bitcast<vec4<u32>>(v[0]) & bits, bitcast<vec4<u32>>(v[1]) & bits),
        max(bitcast<vec4<u32>>(v[2]) & bits, bitcast<vec4<u32>>(v[3]) & bits),
    );
    return bitcast<f32>(max(max(m.x, m.y), max(m.z, m.w)));
}

// Sixteen values as numbers -127..127: v * inverse, rounded.
fn bytes16(v: mat4x4<f32>, inverse: f32) -> mat4x4<f32> {
    return mat4x4<f32>(round(v[0] * inverse), round(v[1] * inverse), round(v[2] * inverse), round(v[3] * inverse));
}

// Four numbers -128..127 as the bytes of a word.
fn pack4(v: vec4<f32>) -> u32 {
    let b = bitcast<vec4<u32>>(vec4<i32>(v)) & vec4<u32>(0xffu);
    return b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
}

// Sixteen values as codes.
fn encode16(v: mat4x4<f32>) -> Input16 {
    // Values below 1e-30, whose reciprocal could overflow, count as zeros. NaN is not below: it makes scale and sum NaN.
    let largest = select(largest16(v), 0.0, largest16(v) <= 1e-30);
    let codes = bytes16(v, select(0.0, 127.0 / largest, largest > 0.0));
    let ones = vec4<f32>(1.0);
    let s = largest / 127.0;
    let sum = dot(codes[0], ones) + dot(codes[1], ones) + dot(codes[2], ones) + dot(codes[3], ones);
    return Input16(vec4<u32>(pack4(codes[0]), pack4(codes[1]), pack4(codes[2]), pack4(codes[3])), s, s * sum);
}

// The second of the two quads that sixteen codes take: (scale, scale * sum of the codes).
fn scale_quad(a: Input16) -> vec4<u32> {
    return bitcast<vec4<u32>>(vec4<f32>(a.s, a.sum, 0.0, 0.0));
}
