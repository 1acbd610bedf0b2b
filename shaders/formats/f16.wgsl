// F16: w. Plane 0: values, 16 bytes per 8 weights. Layout: src/quant/float.rs
@group(1) @binding(0) var<storage, read> values: array<vec4<u32>>;

fn weights16(group: u32) -> mat4x4<f32> {
    let a = values[group << 1u];
    let b = values[(group << 1u) + 1u];
    return mat4x4<f32>(
        vec4<f32>(unpack2x16float(a.x), unpack2x16float(a.y)),
        vec4<f32>(unpack2x16float(a.z), unpack2x16float(a.w)),
        vec4<f32>(unpack2x16float(b.x), unpack2x16float(b.y)),
        vec4<f32>(unpack2x16float(b.z), unpack2x16float(b.w)),
    );
}
