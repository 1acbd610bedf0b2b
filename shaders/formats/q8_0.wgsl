// Q8_0: d * q, q signed. Planes: scales (one f16 per block), quants (2 vec4 per block). Layout: src/quant/q8_0.rs
// Uses: bytes
@group(1) @binding(0) var<storage, read> scales: array<u32>;
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

fn codes16(group: u32) -> Codes16 {
    let block = group >> 1u;
    return Codes16(quants[group], f16_of(scales[block >> 1u], block & 1u), 0.0);
}

fn weights16(group: u32) -> mat4x4<f32> {
    let c = codes16(group);
    return signed16(c.q, c.d);
}
