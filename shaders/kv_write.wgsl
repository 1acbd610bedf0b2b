// keys[slot, :] = rope(k[t, :]);  values[slot, :] = v[t, :]       slot = (position + t) mod n_slots
// Shapes: k, v [T, K, C] f32; keys, values [n_slots, K, C] in the cache's type.
// Bindings: 0 params, 1 step, 2 rope_table, 3 k, 4 v; group 1 keys, values.
// Dispatch: (ceil(K * C / 8 / 64), T): one invocation eight channels of k and of v.
// A cache above the binding limit is split by heads: K counts those of this part, which begin at first_channel of k and v.
// Reference: llama.cpp build_attn, cache store after ggml_rope_ext.
struct Params {
    n_channels: u32,  // K * C of this part
    head_len: u32,    // C, a power of two
    n_slots: u32,
    first_channel: u32,
    row_channels: u32,  // K * C of the model
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> rope_table: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> k: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> v: array<vec4<f32>>;

fn rotated4(quad: u32, channel: u32, position: u32, n_pairs: u32) -> vec4<f32> {
    let own = k[quad];
    let partner = k[quad ^ (n_pairs >> 2u)];
    return vec4<f32>(
        rotated(own.x, partner.x, channel, position, n_pairs),
        rotated(own.y, partner.y, channel + 1u, position, n_pairs),
        rotated(own.z, partner.z, channel + 2u, position, n_pairs),
        rotated(own.w, partner.w, channel + 3u, position, n_pairs),
    );
}

@compute @workgroup_size(64)
fn kv_write(@builtin(global_invocation_id) at: vec3<u32>) {
    let n_groups = params.n_channels >> 3u;
    if (at.x >= n_groups || at.y >= step.n_tokens) {
        return;
    }
    let position = step.position + at.y;
    let n_pairs = params.head_len >> 1u;
    let channel = (8u * at.x) & (params.head_len - 1u);
    let quad = (at.y * params.row_channels + params.first_channel + 8u * at.x) >> 2u;
    let slot = (position % params.n_slots) * n_groups + at.x;
    let low = rotated4(quad, channel, position, n_pairs);
    let high = rotated4(quad + 1u, channel + 4u, position, n_pairs);
    store_key8(slot, mat2x4<f32>(low, high));
    store_value8(slot, mat2x4<f32>(v[quad], v[quad + 1u]));
}
