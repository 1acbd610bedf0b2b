// Q4_0: d * (q - 8). Planes: scales (one f16 a block), quants (one vec4 a block). Layout: src/quant/q4_0.rs
@group(1) @binding(0) var<storage, read> scales: array<u32>;
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

fn weights16(group: u32) -> mat4x4<f32> {
    let block = group >> 1u;
    let d = f16_of(scales[block >> 1u], block & 1u);
    // Low nibbles are the first sixteen weights, high nibbles the last.
    let shift = (group & 1u) << 2u;
    return centred16((quants[block] >> vec4<u32>(shift)) & vec4<u32>(0x0f0f0f0fu), 8.0, d);
}
