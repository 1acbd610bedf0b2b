// Q4_0: d * (q - 8). Planes: scales (one f16 per block), quants (one vec4 per block). Layout: src/quant/q4_0.rs
// Uses: bytes
@group(1) @binding(0) var<storage, read> scales: array<u32>;
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

fn codes16(group: u32) -> Codes16 {
    let block = group >> 1u;
    let d = f16_of(scales[block >> 1u], block & 1u);
    // Low nibbles are the first sixteen weights, high nibbles the last.
    let shift = (group & 1u) << 2u;
    return Codes16((quants[block] >> vec4<u32>(shift)) & vec4<u32>(0x0f0f0f0fu), d, -8.0 * d);
}

fn weights16(group: u32) -> mat4x4<f32> {
    let c = codes16(group);
    return centred16(c.q, 8.0, c.d);
}
