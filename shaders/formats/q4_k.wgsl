// Q4_K: d * scale * q - dmin * min. Planes: header (one vec4 per block: f16 d, f16 dmin, 12 bytes of 8 six-bit scales and
// mins), quants (8 vec4 per block). Layout: src/quant/q4_k.rs
// Uses: bytes
@group(1) @binding(0) var<storage, read> header: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

fn codes16(group: u32) -> Codes16 {
    let block = group >> 4u;
    let sub = (group >> 1u) & 7u;
    let dm = k_scale_min(header[block], sub);
    // Two sub-blocks of 32 share 32 bytes: low nibbles, then high nibbles.
    let q = quants[(block << 3u) + ((sub >> 1u) << 1u) + (group & 1u)] >> vec4<u32>((sub & 1u) << 2u);
    return Codes16(q & vec4<u32>(0x0f0f0f0fu), dm.x, dm.y);
}

fn weights16(group: u32) -> mat4x4<f32> {
    let c = codes16(group);
    return affine16(c.q, c.d, c.m);
}
