// Q3_K: d * (scale - 32) * (q - 4). Planes: high (2 vec4 per block: third bits), quants (4 vec4 per block), scales (3 words a
// block: 16 six-bit numbers), d (one f16 per block). Layout: src/quant/q3_k.rs
// Uses: bytes
@group(1) @binding(0) var<storage, read> high: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;
@group(1) @binding(2) var<storage, read> scales: array<u32>;
@group(1) @binding(3) var<storage, read> d: array<u32>;

fn codes16(group: u32) -> Codes16 {
    let block = group >> 4u;
    let half = group & 1u;
    let byte_ix = group & 3u;
    // Scale i: four low bits in byte i & 7, nibble i >> 3; two high bits in byte 8 + (i & 3), pair i >> 2.
    let at = block * 3u;
    let scale_low = (byte_of(scales[at + ((group >> 2u) & 1u)], byte_ix) >> ((group >> 1u) & 4u)) & 15u;
    let scale_high = (byte_of(scales[at + 2u], byte_ix) >> ((group >> 1u) & 6u)) & 3u;
    let scale = f32(scale_low | (scale_high << 4u)) - 32.0;
    let two = quants[(block << 2u) + (((group >> 3u) & 1u) << 1u) + half] >> vec4<u32>(group & 6u);
    let third = high[(block << 1u) + half] >> vec4<u32>((group >> 1u) & 7u);
    let q = (two & vec4<u32>(0x03030303u)) | ((third & vec4<u32>(0x01010101u)) << vec4<u32>(2u));
    let step = f16_of(d[block >> 1u], block & 1u) * scale;
    return Codes16(q, step, -4.0 * step);
}

fn weights16(group: u32) -> mat4x4<f32> {
    let c = codes16(group);
    return centred16(c.q, 4.0, c.d);
}
