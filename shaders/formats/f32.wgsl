// F32: w. Plane 0: values, 16 bytes per 4 weights. Layout: src/quant/float.rs
@group(1) @binding(0) var<storage, read> values: array<vec4<f32>>;

fn weights16(group: u32) -> mat4x4<f32> {
    let at = group << 2u;
    return mat4x4<f32>(values[at], values[at + 1u], values[at + 2u], values[at + 3u]);
}
