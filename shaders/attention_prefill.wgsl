// o[t, h, :] = sum_j softmax_j(softcap(scale q[t, h, :] . keys[j, h', :])) values[j, h', :]     j in p-W+1 ..= p, h' = h / (H/K)
// Shapes: q [T, H, C] f32; o [T, H C], the operand of a product, in f32 or int8; keys, values [n_slots, K, C] in the cache's type;
// p = position + t; W = window, or all.
// Bindings: 0 params, 1 step, 2 q; group 1 keys, values; group 2 o (`operand`).
// Dispatch: (ceil(T * H/K / (64 LANES / C)), K of this part): LANES invocations compute 64 LANES / C rows of o. A row is a token and one of the
// query heads that share a key/value head, so that a key is read once for several. C / 16 invocations compute four rows: of a
// block of C / 4 keys, each scores four against the rows; of the mixed values, each keeps sixteen channels. Online softmax.
// A cache above the binding limit is split by key/value heads: K counts those of this part, whose first query is first_head.
// Reference: llama.cpp src/models/gemma2-iswa.cpp (scale, soft-cap before the mask); Dao 2023, FlashAttention-2.
// Uses: step math chunks kv operand lanes
struct Params {
    head_dim: u32,    // C, a power of two from 16 to 512
    n_kv_heads: u32,  // K of this part of the cache
    heads_per_kv: u32,
    n_slots: u32,
    window: u32,      // keys a query sees, itself included; 0: all
    scale: f32,
    softcap: f32,     // soft-cap of the scores; 0: none
    n_heads: u32,     // H of the model
    first_head: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> q: array<vec4<f32>>;
@group(2) @binding(0) var<storage, read_write> operand: array<vec4<u32>>;

const LOWEST: f32 = -3.0e38;
// Four rows of an invocation: the largest scores of a block, at the end the sums of the weights.
var<workgroup> of_lane: array<vec4<f32>, LANES>;
// [four rows][key of the block]
var<workgroup> weights: array<vec4<f32>, 4u * LANES>;

fn slot_of(key: u32, head: u32) -> u32 {
    return ((key % params.n_slots) * params.n_kv_heads + head) * (params.head_dim >> 3u);
}

// The products of eight channels of a query with those of four keys.
fn products(query: u32, a: mat2x4<f32>, b: mat2x4<f32>, c: mat2x4<f32>, d: mat2x4<f32>) -> vec4<f32> {
    return q[query] * mat4x4<f32>(a[0], b[0], c[0], d[0]) + q[query + 1u] * mat4x4<f32>(a[1], b[1], c[1], d[1]);
}

// [row][key]: scores of four rows and four keys.
fn scores(queries: vec4<u32>, slots: vec4<u32>) -> mat4x4<f32> {
    let n_eights = params.head_dim >> 3u;
    var sums = mat4x4<f32>();
    for (var i = 0u; i < n_eights; i++) {
        let a = load_key8(slots.x + i);
        let b = load_key8(slots.y + i);
        let c = load_key8(slots.z + i);
        let d = load_key8(slots.w + i);
        let at = queries + 2u * i;
        sums += mat4x4<f32>(
            products(at.x, a, b, c, d),
            products(at.y, a, b, c, d),
            products(at.z, a, b, c, d),
            products(at.w, a, b, c, d),
        );
    }
    return sums;
}

// Scores of one row, LOWEST if it does not see the key.
fn seen(x: vec4<f32>, keys: vec4<u32>, position: u32) -> vec4<f32> {
    let live = (keys <= vec4<u32>(position)) & (keys >= vec4<u32>(first_key(position, params.window)));
    return select(vec4<f32>(LOWEST), softcap(x * params.scale, params.softcap), live);
}

fn largest_of(x: vec4<f32>) -> f32 {
    return max(max(x.x, x.y), max(x.z, x.w));
}

// Weights of four keys: zero if the key is not seen, even before any key was.
fn weights_of(x: vec4<f32>, largest: f32) -> vec4<f32> {
    return select(exp(x - largest), vec4<f32>(), x <= vec4<f32>(LOWEST));
}

@compute @workgroup_size(LANES)
fn attention_prefill(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n_columns = params.head_dim >> 4u;
    let column = lane & (n_columns - 1u);
    let start = lane - column; // first of the lanes with the same rows
    let n_keys = 4u * n_columns;
    let n_rows = step.n_tokens * params.heads_per_kv;
    let first_row = group.x * (4u * LANES / n_columns);
    let last_row = min(first_row + 4u * LANES / n_columns, n_rows) - 1u;
    let row = first_row + 4u * (start / n_columns);
    let rows = min(row + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(n_rows - 1u));
    let positions = step.position + rows / params.heads_per_kv;
    let head = params.first_head + group.y * params.heads_per_kv;
    let queries = ((rows / params.heads_per_kv) * params.n_heads + head + rows % params.heads_per_kv) * 4u * n_columns;

    let end = step.position + last_row / params.heads_per_kv + 1u;
    var largest = vec4<f32>(LOWEST);
    var total = vec4<f32>();
    var mixed_0 = mat4x4<f32>();
    var mixed_1 = mat4x4<f32>();
    var mixed_2 = mat4x4<f32>();
    var mixed_3 = mat4x4<f32>();
    for (var block = first_key(step.position + first_row / params.heads_per_kv, params.window); block < end; block += n_keys) {
        let keys = block + column + n_columns * vec4<u32>(0u, 1u, 2u, 3u);
        var score = mat4x4<f32>();
        if (row < n_rows) {
            let at = min(keys, vec4<u32>(end - 1u));
            let slots = vec4<u32>(
                slot_of(at.x, group.y),
                slot_of(at.y, group.y),
                slot_of(at.z, group.y),
                slot_of(at.w, group.y),
            );
            score = scores(queries, slots);
        }
        for (var r = 0u; r < 4u; r++) {
            score[r] = seen(score[r], keys, positions[r]);
            of_lane[lane][r] = largest_of(score[r]);
        }
        workgroupBarrier();
        let before = largest;
        for (var i = 0u; i < n_columns; i++) {
            largest = max(largest, of_lane[start + i]);
        }
        let by_key = transpose(mat4x4<f32>(
            weights_of(score[0], largest.x),
            weights_of(score[1], largest.y),
            weights_of(score[2], largest.z),
            weights_of(score[3], largest.w),
        ));
        let rescale = exp(before - largest);
        total = total * rescale + by_key[0] + by_key[1] + by_key[2] + by_key[3];
        let to = 4u * start + column;
        weights[to] = by_key[0];
        weights[to + n_columns] = by_key[1];
        weights[to + 2u * n_columns] = by_key[2];
        weights[to + 3u * n_columns] = by_key[3];
        workgroupBarrier();
        mixed_0 = mixed_0 * rescale.x;
        mixed_1 = mixed_1 * rescale.y;
        mixed_2 = mixed_2 * rescale.z;
        mixed_3 = mixed_3 * rescale.w;
        let n_live = select(0u, min(n_keys, end - block), row < n_rows);
        for (var i = 0u; i < n_live; i++) {
            let slot = slot_of(block + i, group.y) + 2u * column;
            let low = load_value8(slot);
            let high = load_value8(slot + 1u);
            let values = mat4x4<f32>(low[0], low[1], high[0], high[1]);
            let w = weights[4u * start + i];
            mixed_0 += w.x * values;
            mixed_1 += w.y * values;
            mixed_2 += w.z * values;
            mixed_3 += w.w * values;
        }
    }

    of_lane[lane] = total;
    workgroupBarrier();
    total = vec4<f32>();
    for (var i = 0u; i < n_columns; i++) {
        total += of_lane[start + i];
    }
    let to = queries / 4u + column;
    let scale = 1.0 / total;
    for (var r = 0u; r < 4u && row + r < n_rows; r++) {
        var mixed = mixed_0;
        if (r == 1u) {
            mixed = mixed_1;
        } else if (r == 2u) {
            mixed = mixed_2;
        } else if (r == 3u) {
            mixed = mixed_3;
        }
        put16(to[r], mixed * scale[r]);
    }
}
