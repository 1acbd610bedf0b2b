// Q6_K: d * scale * (q - 32). Planes: low (8 vec4 per block: four low bits), high (4 vec4 per block: two high bits), scales (a
// signed byte per 16 weights), d (one f16 per block). Layout: src/quant/q6_k.rs
// Scales are read as words, so that the word is addressed rather than a vector indexed.
// Uses: bytes
@group(1) @binding(0) var<storage, read> low: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read> high: array<vec4<u32>>;
@group(1) @binding(2) var<storage, read> scales: array<u32>;
@group(1) @binding(3) var<storage, read> d: array<u32>;

fn codes16(group: u32) -> Codes16 {
    let block = group >> 4u;
    let n = (group >> 3u) & 1u;
    let quarter = (group >> 1u) & 3u;
    let half = group & 1u;
    let four = low[(block << 3u) + (n << 2u) + ((quarter & 1u) << 1u) + half] >> vec4<u32>((quarter >> 1u) << 2u);
    let two = high[(block << 2u) + (n << 1u) + half] >> vec4<u32>(quarter << 1u);
    let q = (four & vec4<u32>(0x0f0f0f0fu)) | ((two & vec4<u32>(0x03030303u)) << vec4<u32>(4u));
    let step = f16_of(d[block >> 1u], block & 1u) * signed_byte_of(scales[group >> 2u], group & 3u);
    return Codes16(q, step, -32.0 * step);
}

fn weights16(group: u32) -> mat4x4<f32> {
    let c = codes16(group);
    return centred16(c.q, 32.0, c.d);
}
