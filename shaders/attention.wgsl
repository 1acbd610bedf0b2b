// o[t, h, :] = sum_j softmax_j(cap(scale q[t, h, :] . keys[j, h', :])) values[j, h', :]     j in p-W+1 ..= p, h' = h / (H/K)
// Shapes: q, o [T, H, C] f32; keys, values [n_slots, K, C] in the cache's type; p = position + t; W = window, or all.
// Bindings: 0 params, 1 step, 2 q, 3 o; group 1 keys, values.
// Dispatch: (T, H of this part): one workgroup of 64 a query head; online softmax over blocks of 64 keys.
// A cache above the binding limit is split by key/value heads: K counts those of this part, whose first query is first_head.
// Reference: llama.cpp src/models/gemma2-iswa.cpp (scale, soft-cap before the mask); Milakov and Gimelshein 2018 (online softmax).
struct Params {
    head_len: u32,    // C, a power of two from 8 to 512
    n_kv_heads: u32,  // K of this part of the cache
    heads_per_kv: u32,
    n_slots: u32,
    window: u32,      // keys a query sees, itself included; 0: all
    scale: f32,
    cap: f32,         // soft-cap of the scores; 0: none
    n_heads: u32,     // H of the model
    first_head: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> o: array<vec4<f32>>;

const N_LANES: u32 = 64u;
const LOWEST: f32 = -3.0e38;
var<workgroup> weights_of_block: array<f32, 64>;
var<workgroup> partial_low: array<vec4<f32>, 64>;
var<workgroup> partial_high: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn attention(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let token = min(group.x, step.n_tokens - 1u);
    let n_groups = params.head_len >> 3u;
    let row = params.n_kv_heads * n_groups;                       // eights a cache slot
    let head = (group.y / params.heads_per_kv) * n_groups;        // eights before this KV head in a slot
    let query = (token * params.n_heads + params.first_head + group.y) * 2u * n_groups;       // quads before this query
    let position = step.position + token;
    let first = select(0u, position + 1u - params.window, params.window > 0u && position >= params.window);

    // Lane = (eight channels, subset of the block's keys) while values are mixed.
    let channels = lane & (n_groups - 1u);
    let subset = lane / n_groups;
    let n_subsets = max(N_LANES / n_groups, 1u);
    var largest = LOWEST;
    var total = 0.0;
    var mixed = mat2x4<f32>();

    for (var block = first; block <= position; block += N_LANES) {
        let key = block + lane;
        let live = key <= position;
        var score = LOWEST;
        if (live) {
            let slot = (key % params.n_slots) * row + head;
            var product = 0.0;
            for (var i = 0u; i < n_groups; i++) {
                let k = load_key8(slot + i);
                product += dot(q[query + 2u * i], k[0]) + dot(q[query + 2u * i + 1u], k[1]);
            }
            score = soft_cap(product * params.scale, params.cap);
        }
        let new_largest = max(largest, workgroup_max(lane, score));
        let weight = select(0.0, exp(score - new_largest), live);
        weights_of_block[lane] = weight;
        let rescale = exp(largest - new_largest);
        total = total * rescale + workgroup_sum(lane, weight); // its barriers publish weights_of_block
        mixed = mixed * rescale;
        largest = new_largest;

        let n_keys = min(position + 1u - block, N_LANES);
        for (var i = subset; i < n_keys; i += n_subsets) {
            let slot = ((block + i) % params.n_slots) * row + head;
            mixed += weights_of_block[i] * load_value8(slot + channels);
        }
        workgroupBarrier();
    }

    partial_low[lane] = mixed[0];
    partial_high[lane] = mixed[1];
    workgroupBarrier();
    if (lane < n_groups && group.x < step.n_tokens) {
        var low = vec4<f32>();
        var high = vec4<f32>();
        for (var i = lane; i < N_LANES; i += n_groups) {
            low += partial_low[i];
            high += partial_high[i];
        }
        o[query + 2u * lane] = low / total;
        o[query + 2u * lane + 1u] = high / total;
    }
}
