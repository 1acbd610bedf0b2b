// KV cache in f16: eight channels per vec4<u32>, `group` counts eights from the start of the layer's cache.
@group(1) @binding(0) var<storage, read_write> keys: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read_write> values: array<vec4<u32>>;

fn unpack8(w: vec4<u32>) -> mat2x4<f32> {
    return mat2x4<f32>(
        vec4<f32>(unpack2x16float(w.x), unpack2x16float(w.y)),
        vec4<f32>(unpack2x16float(w.z), unpack2x16float(w.w)),
    );
}

fn pack8(v: mat2x4<f32>) -> vec4<u32> {
    return vec4<u32>(pack2x16float(v[0].xy), pack2x16float(v[0].zw), pack2x16float(v[1].xy), pack2x16float(v[1].zw));
}

fn load_key8(group: u32) -> mat2x4<f32> { return unpack8(keys[group]); }
fn load_value8(group: u32) -> mat2x4<f32> { return unpack8(values[group]); }
fn store_key8(group: u32, v: mat2x4<f32>) { keys[group] = pack8(v); }
fn store_value8(group: u32, v: mat2x4<f32>) { values[group] = pack8(v); }
