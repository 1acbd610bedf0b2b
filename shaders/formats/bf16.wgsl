// BF16: w, the upper half of an f32. Plane 0: values, 16 bytes per 8 weights. Layout: src/quant/float.rs
@group(1) @binding(0) var<storage, read> values: array<vec4<u32>>;

fn bf16x4(a: u32, b: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(a << 16u, a & 0xffff0000u, b << 16u, b & 0xffff0000u));
}

fn weights16(group: u32) -> mat4x4<f32> {
    let a = values[group << 1u];
    let b = values[(group << 1u) + 1u];
    return mat4x4<f32>(bf16x4(a.x, a.y), bf16x4(a.z, a.w), bf16x4(b.x, b.y), bf16x4(b.z, b.w));
}
