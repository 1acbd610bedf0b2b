// Q2_K: d * scale * q - dmin * min. Planes: scales (a byte per 16 weights: scale | min << 4), quants (4 vec4 per block),
// d (f16 d, f16 dmin per block). Layout: src/quant/q2_k.rs
// Scales are read as words, so that the word is addressed rather than a vector indexed.
// Uses: bytes
@group(1) @binding(0) var<storage, read> scales: array<u32>;
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;
@group(1) @binding(2) var<storage, read> d: array<u32>;

fn codes16(group: u32) -> Codes16 {
    let block = group >> 4u;
    let dm = unpack2x16float(d[block]);
    let scale = byte_of(scales[group >> 2u], group & 3u);
    // Of the 16 groups: bit 3 picks 32 bytes, bits 2-1 the pair of bits in each byte, bit 0 16 of the bytes.
    let at = (block << 2u) + (((group >> 3u) & 1u) << 1u) + (group & 1u);
    let q = (quants[at] >> vec4<u32>(group & 6u)) & vec4<u32>(0x03030303u);
    return Codes16(q, dm.x * f32(scale & 15u), -(dm.y * f32(scale >> 4u)));
}

fn weights16(group: u32) -> mat4x4<f32> {
    let c = codes16(group);
    return affine16(c.q, c.d, c.m);
}
