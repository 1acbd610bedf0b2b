// KV cache in f32: eight channels are two vec4<f32>, `group` counts eights from the start of the layer's cache.
@group(1) @binding(0) var<storage, read_write> keys: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> values: array<vec4<f32>>;

fn load_key8(group: u32) -> mat2x4<f32> { return mat2x4<f32>(keys[2u * group], keys[2u * group + 1u]); }
fn load_value8(group: u32) -> mat2x4<f32> { return mat2x4<f32>(values[2u * group], values[2u * group + 1u]); }
fn store_key8(group: u32, v: mat2x4<f32>) {
    keys[2u * group] = v[0];
    keys[2u * group + 1u] = v[1];
}
fn store_value8(group: u32, v: mat2x4<f32>) {
    values[2u * group] = v[0];
    values[2u * group + 1u] = v[1];
}
