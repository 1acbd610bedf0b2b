// Q8_0: d * q, q signed. Planes: scales (one f16 a block), quants (2 vec4 a block). Layout: src/quant/q8_0.rs
@group(1) @binding(0) var<storage, read> scales: array<u32>;
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

fn weights16(group: u32) -> mat4x4<f32> {
    let block = group >> 1u;
    let d = f16_of(scales[block >> 1u], block & 1u);
    let q = quants[group];
    return mat4x4<f32>(
        d * signed_bytes4(q.x),
        d * signed_bytes4(q.y),
        d * signed_bytes4(q.z),
        d * signed_bytes4(q.w),
    );
}
