// q_rotated[t, h, :] = rope(norm(q[t, h, :]));  keys[slot, h, :] = rope(norm(k[t, h, :]));  values[slot, h, :] = v[t, h, :]
// Shapes: qkv [T, (H + 2 K) C] f32; head_norms [2, C], of queries and keys, if the model has them; q_rotated [T, H, C] f32;
// keys, values [n_slots, K, C] in the cache's type; slot = (position + t) mod n_slots.
// Bindings: 0 params, 1 step, 2 rope_table, 3 head_norms, 4 qkv, 5 q_rotated; group 1 keys, values.
// Dispatch: (heads of this part, T): one workgroup of 64 per head: the query heads, then those of the keys, then those of the values.
// A cache above the binding limit is split by heads: n_kv_heads counts those of this part, which begin at first_kv_head.
// Reference: gemma_pytorch gemma/model.py GemmaAttention (norm before the rotation); llama.cpp build_attn, cache store.
// Uses: step sums rope kv
struct Params {
    head_dim: u32,      // C, a power of two from 16 to 512
    n_heads: u32,       // H of the model
    heads_per_kv: u32,
    n_kv_heads: u32,    // K of this part
    first_kv_head: u32,
    total_kv_heads: u32, // K of the model
    n_slots: u32,
    has_norms: u32,
    eps: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> rope_table: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> head_norms: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> q_rotated: array<vec4<f32>>;

const LANES: u32 = 64u;

// A head: its first quad in qkv, that of its norm's weights, and the factor of its norm.
struct Head {
    first: u32,
    weights: u32,
    scale: f32,
}

fn normalised(head: Head, quad: u32) -> vec4<f32> {
    let x = qkv[head.first + quad];
    if (params.has_norms == 0u) {
        return x;
    }
    return x * head.scale * head_norms[head.weights + quad];
}

fn turned(head: Head, quad: u32, position: u32) -> vec4<f32> {
    let n_pairs = params.head_dim >> 1u;
    return rotated4(normalised(head, quad), normalised(head, quad ^ (n_pairs >> 2u)), quad, position, n_pairs);
}

@compute @workgroup_size(LANES)
fn qk_norm_rope(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n_queries = params.n_kv_heads * params.heads_per_kv;
    let is_query = group.x < n_queries;
    let is_value = group.x >= n_queries + params.n_kv_heads;
    // The head within a row of qkv, and within this part's keys or values.
    let kv_head = (group.x - n_queries) % params.n_kv_heads;
    let query = params.first_kv_head * params.heads_per_kv + group.x;
    let kv = params.n_heads + params.first_kv_head + kv_head + select(0u, params.total_kv_heads, is_value);
    let n_quads = params.head_dim >> 2u;
    let first = (group.y * (params.n_heads + 2u * params.total_kv_heads) + select(kv, query, is_query)) * n_quads;

    var squares = 0.0;
    for (var i = lane; i < n_quads; i += LANES) {
        squares += dot(qkv[first + i], qkv[first + i]);
    }
    let scale = 1.0 / sqrt(workgroup_sum(lane, squares) / f32(params.head_dim) + params.eps);

    let head = Head(first, select(n_quads, 0u, is_query), scale);
    let position = step.position + group.y;
    let slot = ((position % params.n_slots) * params.n_kv_heads + kv_head) * (n_quads >> 1u);
    let to = (group.y * params.n_heads + query) * n_quads;
    let n_eights = n_quads >> 1u;
    for (var i = lane; i < n_eights; i += LANES) {
        let quad = 2u * i;
        if (is_value) {
            store_value8(slot + i, mat2x4<f32>(qkv[first + quad], qkv[first + quad + 1u]));
            continue;
        }
        var eight = mat2x4<f32>();
        for (var half = 0u; half < 2u; half++) {
            eight[half] = turned(head, quad + half, position);
        }
        if (is_query) {
            q_rotated[to + quad] = eight[0];
            q_rotated[to + quad + 1u] = eight[1];
        } else {
            store_key8(slot + i, eight);
        }
    }
}
