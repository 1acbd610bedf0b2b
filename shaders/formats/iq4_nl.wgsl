// IQ4_NL: d * levels[q]. Planes: scales (one f16 per block), quants (one vec4 per block). Layout: src/quant/iq4_nl.rs
// Uses: bytes
@group(1) @binding(0) var<storage, read> scales: array<u32>;
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

fn codes16(group: u32) -> Codes16 {
    let block = group >> 1u;
    let d = f16_of(scales[block >> 1u], block & 1u);
    // Low nibbles are the first sixteen weights, high nibbles the last.
    return Codes16(levels16(quants[block] >> vec4<u32>((group & 1u) << 2u)), d, 0.0);
}

fn weights16(group: u32) -> mat4x4<f32> {
    let c = codes16(group);
    return signed16(c.q, c.d);
}
