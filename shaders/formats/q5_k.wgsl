// Q5_K: d * scale * q - dmin * min. Planes: header (one vec4 per block: f16 d, f16 dmin, 12 bytes of 8 six-bit scales and
// mins), high (2 vec4 per block: bit s of each byte is the fifth bit in sub-block s), quants (8 vec4 per block).
// Layout: src/quant/q5_k.rs
// Uses: bytes
@group(1) @binding(0) var<storage, read> header: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read> high: array<vec4<u32>>;
@group(1) @binding(2) var<storage, read> quants: array<vec4<u32>>;

fn codes16(group: u32) -> Codes16 {
    let block = group >> 4u;
    let sub = (group >> 1u) & 7u;
    let half = group & 1u;
    let dm = k_scale_min(header[block], sub);
    let four = quants[(block << 3u) + ((sub >> 1u) << 1u) + half] >> vec4<u32>((sub & 1u) << 2u);
    let fifth = (high[(block << 1u) + half] >> vec4<u32>(sub)) & vec4<u32>(0x01010101u);
    return Codes16((four & vec4<u32>(0x0f0f0f0fu)) | (fifth << vec4<u32>(4u)), dm.x, dm.y);
}

fn weights16(group: u32) -> mat4x4<f32> {
    let c = codes16(group);
    return affine16(c.q, c.d, c.m);
}
