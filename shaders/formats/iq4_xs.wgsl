// IQ4_XS: d * (scale - 32) * levels[q]. Planes: header (2 words per block: f16 d, 8 x two upper and 8 x four lower bits of the
// scales), quants (8 vec4 per block). Layout: src/quant/iq4_xs.rs
// Uses: bytes
@group(1) @binding(0) var<storage, read> header: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

fn codes16(group: u32) -> Codes16 {
    let block = group >> 4u;
    let sub = (group >> 1u) & 7u;
    let head = header[block];
    let four = (head.y >> (sub << 2u)) & 15u;
    let two = (head.x >> (16u + (sub << 1u))) & 3u;
    let d = unpack2x16float(head.x).x * (f32(four | (two << 4u)) - 32.0);
    // In each sub-block of 32, low nibbles are the first sixteen weights, high nibbles the last.
    return Codes16(levels16(quants[group >> 1u] >> vec4<u32>((group & 1u) << 2u)), d, 0.0);
}

fn weights16(group: u32) -> mat4x4<f32> {
    let c = codes16(group);
    return signed16(c.q, c.d);
}
