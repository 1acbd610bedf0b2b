// Q5_0: d * (q - 16). Planes: scales (one f16 per block), high (bit i = fifth bit of weight i), quants (one vec4 per block).
// Layout: src/quant/q5_0.rs
// Uses: bytes
@group(1) @binding(0) var<storage, read> scales: array<u32>;
@group(1) @binding(1) var<storage, read> high: array<u32>;
@group(1) @binding(2) var<storage, read> quants: array<vec4<u32>>;

fn codes16(group: u32) -> Codes16 {
    let block = group >> 1u;
    let odd = group & 1u;
    let d = f16_of(scales[block >> 1u], block & 1u);
    let fifth = spread16(high[block] >> (odd << 4u)) << vec4<u32>(4u);
    let q = ((quants[block] >> vec4<u32>(odd << 2u)) & vec4<u32>(0x0f0f0f0fu)) | fifth;
    return Codes16(q, d, -16.0 * d);
}

fn weights16(group: u32) -> mat4x4<f32> {
    let c = codes16(group);
    return centred16(c.q, 16.0, c.d);
}
