// Q4_1: d * q + m. Planes: scales (f16 d, f16 m per block), quants (one vec4 per block). Layout: src/quant/q4_1.rs
// Uses: bytes
@group(1) @binding(0) var<storage, read> scales: array<u32>;
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

fn codes16(group: u32) -> Codes16 {
    let block = group >> 1u;
    let dm = unpack2x16float(scales[block]);
    let shift = (group & 1u) << 2u;
    return Codes16((quants[block] >> vec4<u32>(shift)) & vec4<u32>(0x0f0f0f0fu), dm.x, dm.y);
}

fn weights16(group: u32) -> mat4x4<f32> {
    let c = codes16(group);
    return affine16(c.q, c.d, c.m);
}
