// partials[chunk, h] = (sum_j p_j values[j], max_j s_j, sum_j p_j)         s_j = softcap(scale q[h] . keys[j]), p_j = exp(s_j - max), j in the chunk
// Shapes: qkv [(H + 2K) C] in acts, raw; keys, values [n_slots, K, C]; partials [chunks, H, C + 4] f32. For one token at p = position.
// Bindings: 0 params, 1 step, 2 acts, 3 rope_table, 4 head_norms (q's, k's), 5 partials; group 1 keys, values.
// Dispatch: (chunks of the keys in p-W+1 ..= p, K of this part times ceil(H / K / 4)): up to four heads of one key/value head per workgroup
// of 64. Queries and the newest key are normalised (Gemma 3) and rotated here; the last chunk's workgroup stores the newest key and value.
// The rotated queries lie in the chunk's own partials until its results replace them: software adapters take long to compile
// kernels with much workgroup memory.
// Reference: llama.cpp src/models/gemma3.cpp (q/k norm before RoPE, scale, soft-cap before the softmax); FlashDecoding, Dao et al. 2023.
// Uses: step math rope chunks kv acts
struct Params {
    head_dim: u32,      // C, a power of two from 16 to 512
    n_heads: u32,       // H of the model
    n_kv_heads: u32,    // K of the model
    part_kv_heads: u32, // K of this part of the cache
    first_kv_head: u32, // of this part
    n_slots: u32,
    window: u32,        // keys a query sees, itself included; 0: all
    qkv: u32,           // quad of acts
    scale: f32,
    softcap: f32,       // soft-cap of the scores; 0: none
    eps: f32,
    has_norms: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> rope_table: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> head_norms: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec4<f32>>;

const LOWEST: f32 = -3.0e38;
// [head][key of the block]: first sums over the newest key, then scores, then weights, at the end mixed values.
var<workgroup> scores: array<f32, 256>;
var<workgroup> sums: array<f32, 64>;
var<workgroup> rescale: array<f32, 4>;

// Quad i of a raw head that begins at quad `at`, normalised.
fn normed(at: u32, i: u32, norm: f32, weights: u32) -> vec4<f32> {
    let raw = quad(at + i);
    if (params.has_norms == 0u) {
        return raw;
    }
    return raw * norm * head_norms[weights + i];
}

fn turned(at: u32, i: u32, norm: f32, weights: u32) -> vec4<f32> {
    let n_pairs = params.head_dim >> 1u;
    return rotated4(normed(at, i, norm, weights), normed(at, i ^ (n_pairs >> 2u), norm, weights), i, step.position, n_pairs);
}

fn squares(at: u32, from_quad: u32, stride: u32, n_quads: u32) -> f32 {
    var sum = 0.0;
    for (var i = from_quad; i < n_quads; i += stride) {
        let v = quad(at + i);
        sum += dot(v, v);
    }
    return sum;
}

fn dot8(quad_at: u32, k: mat2x4<f32>) -> f32 {
    return dot(partials[quad_at], k[0]) + dot(partials[quad_at + 1u], k[1]);
}

// The products of the four heads from quad `q` on with one key, of which the first n_here count.
fn products(q: u32, slot: u32, n_here: u32, n_quads: u32) -> vec4<f32> {
    let stride = n_quads + 1u;
    var s = vec4<f32>();
    for (var i = 0u; i < n_quads / 2u; i++) {
        let k = load_key8(slot + i);
        let at = q + 2u * i;
        s.x += dot8(at, k);
        if (n_here > 1u) {
            s.y += dot8(at + stride, k);
        }
        if (n_here > 2u) {
            s.z += dot8(at + 2u * stride, k);
        }
        if (n_here > 3u) {
            s.w += dot8(at + 3u * stride, k);
        }
    }
    return s;
}

@compute @workgroup_size(64)
fn attention_decode(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n_quads = params.head_dim >> 2u;
    let n_groups = params.head_dim >> 3u;
    let heads_per_kv = params.n_heads / params.n_kv_heads;
    let kv_local = group.y % params.part_kv_heads;
    let kv = params.first_kv_head + kv_local;
    let first_of_four = (group.y / params.part_kv_heads) * 4u;
    let n_here = min(heads_per_kv - first_of_four, 4u);
    let head = kv * heads_per_kv + first_of_four;
    let row = params.part_kv_heads * n_groups;  // eights per cache slot
    let start = kv_local * n_groups;            // eights before this head in a slot

    let position = step.position;
    let first = first_key(position, params.window);
    let n_keys = position + 1u - first;
    let per_chunk = BLOCK * blocks_per_chunk(n_keys);
    let begin = first + group.x * per_chunk;
    let end = min(begin + per_chunk, position + 1u);

    // Queries: sixteen lanes per head. Keys: all lanes.
    let own = lane >> 4u;
    let q_at = params.qkv + (head + min(own, n_here - 1u)) * n_quads;
    let k_at = params.qkv + (params.n_heads + kv) * n_quads;
    let v_at = params.qkv + (params.n_heads + params.n_kv_heads + kv) * n_quads;
    let out = (group.x * params.n_heads + head) * (n_quads + 1u);
    sums[lane] = squares(q_at, lane & 15u, 16u, n_quads);
    scores[lane] = squares(k_at, lane, 64u, n_quads);
    workgroupBarrier();
    var q_squares = 0.0;
    for (var i = 0u; i < 16u; i++) {
        q_squares += sums[(lane & 48u) + i];
    }
    let q_norm = 1.0 / sqrt(q_squares / f32(params.head_dim) + params.eps);
    if (own < n_here) {
        for (var i = lane & 15u; i < n_quads; i += 16u) {
            partials[out + own * (n_quads + 1u) + i] = turned(q_at, i, q_norm, 0u);
        }
    }
    if (end == position + 1u) {
        var k_squares = 0.0;
        for (var i = 0u; i < 64u; i++) {
            k_squares += scores[i];
        }
        let k_norm = 1.0 / sqrt(k_squares / f32(params.head_dim) + params.eps);
        if (lane < n_groups) {
            let at = (position % params.n_slots) * row + start + lane;
            let i = 2u * lane;
            var key = mat2x4<f32>();
            for (var half = 0u; half < 2u; half++) {
                key[half] = turned(k_at, i + half, k_norm, n_quads);
            }
            store_key8(at, key);
            let low = quad(v_at + i);
            store_value8(at, mat2x4<f32>(low, quad(v_at + i + 1u)));
        }
    }
    storageBarrier();
    workgroupBarrier();

    // To mix values, a lane has eight channels and a subset of the block's keys.
    let channels = lane & (n_groups - 1u);
    let subset = lane / n_groups;
    let n_subsets = 64u / n_groups;
    var largest = LOWEST;  // of head `own`
    var total = 0.0;       // of head `own`, over the keys of this lane
    var mixed_0 = mat2x4<f32>();
    var mixed_1 = mat2x4<f32>();
    var mixed_2 = mat2x4<f32>();
    var mixed_3 = mat2x4<f32>();
    for (var block = begin; block < end; block += BLOCK) {
        let key = block + lane;
        var s = vec4<f32>(LOWEST);
        if (key < end) {
            let p = products(out, (key % params.n_slots) * row + start, n_here, n_quads) * params.scale;
            s = softcap(p, params.softcap);
        }
        scores[lane] = s.x;
        scores[64u + lane] = s.y;
        scores[128u + lane] = s.z;
        scores[192u + lane] = s.w;
        workgroupBarrier();
        // Sixteen lanes per head: four keys each.
        let mine = 64u * own + 4u * (lane & 15u);
        let four = vec4<f32>(scores[mine], scores[mine + 1u], scores[mine + 2u], scores[mine + 3u]);
        sums[lane] = max(max(four.x, four.y), max(four.z, four.w));
        workgroupBarrier();
        var new_largest = largest;
        for (var i = 0u; i < 16u; i++) {
            new_largest = max(new_largest, sums[(lane & 48u) + i]);
        }
        // Keys that are not seen have the score LOWEST and get weight 0: the score of a seen key is far above.
        let weights = select(exp(four - new_largest), vec4<f32>(), four <= vec4<f32>(LOWEST));
        let factor = exp(largest - new_largest);
        scores[mine] = weights.x;
        scores[mine + 1u] = weights.y;
        scores[mine + 2u] = weights.z;
        scores[mine + 3u] = weights.w;
        if ((lane & 15u) == 0u) {
            rescale[own] = factor;
        }
        total = total * factor + dot(weights, vec4<f32>(1.0));
        largest = new_largest;
        workgroupBarrier();
        mixed_0 = mixed_0 * rescale[0];
        mixed_1 = mixed_1 * rescale[1];
        mixed_2 = mixed_2 * rescale[2];
        mixed_3 = mixed_3 * rescale[3];
        let n_live = min(end - block, BLOCK);
        for (var i = subset; i < n_live; i += n_subsets) {
            let v = load_value8(((block + i) % params.n_slots) * row + start + channels);
            mixed_0 += scores[i] * v;
            if (n_here > 1u) {
                mixed_1 += scores[64u + i] * v;
            }
            if (n_here > 2u) {
                mixed_2 += scores[128u + i] * v;
            }
            if (n_here > 3u) {
                mixed_3 += scores[192u + i] * v;
            }
        }
        workgroupBarrier();
    }

    // Sum the subsets.
    sums[lane] = total;
    for (var h = 0u; h < n_here; h++) {
        var mixed = mixed_0;
        if (h == 1u) {
            mixed = mixed_1;
        } else if (h == 2u) {
            mixed = mixed_2;
        } else if (h == 3u) {
            mixed = mixed_3;
        }
        for (var half = 0u; half < 2u; half++) {
            let own_half = select(mixed[0], mixed[1], half == 1u);
            scores[lane] = own_half.x;
            scores[64u + lane] = own_half.y;
            scores[128u + lane] = own_half.z;
            scores[192u + lane] = own_half.w;
            workgroupBarrier();
            if (lane < n_groups) {
                var sum = vec4<f32>();
                for (var i = lane; i < 64u; i += n_groups) {
                    sum += vec4<f32>(scores[i], scores[64u + i], scores[128u + i], scores[192u + i]);
                }
                partials[out + h * (n_quads + 1u) + 2u * lane + half] = sum;
            }
            workgroupBarrier();
        }
    }
    if (own < n_here && (lane & 15u) == 0u) {
        var weight = 0.0;
        for (var i = 0u; i < 16u; i++) {
            weight += sums[lane + i];
        }
        partials[out + own * (n_quads + 1u) + n_quads] = vec4<f32>(largest, weight, 0.0, 0.0);
    }
}
