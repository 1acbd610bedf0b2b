// logits[n] = softcap(sum_k E[n, k] norm(x + post_norm(y))[k])         for one token; block_max[b] = max of logits[32 b ..]
// Shapes: E [V, D] block-quantised, n_rows from first_row (a multiple of 32) on in this part; x, y in acts; logits [V], block_max f32.
// Bindings: 0 params, 2 acts, 3 norms, 4 logits, 5 block_max; group 1 the planes of E.
// Dispatch: (ceil(N / (4 * LANES / UNIT))): four rows per unit of lanes, whole blocks per workgroup.
// Reference: llama.cpp src/models/gemma2-iswa.cpp (final soft-cap); the sampler reads blocks before logits.
// Uses: math matvec/common matvec/lanes matvec/normed
@group(0) @binding(4) var<storage, read_write> logits_out: array<f32>;
@group(0) @binding(5) var<storage, read_write> block_max: array<f32>;

const LOWEST: f32 = -3.4e38;

// The larger one; if one is not finite, its magnitude, infinity or NaN: the sampler chooses nothing from such a block.
fn larger(a: f32, b: f32) -> f32 {
    let finite_a = is_finite(bitcast<u32>(a));
    if (finite_a && is_finite(bitcast<u32>(b))) {
        return max(a, b);
    }
    return bitcast<f32>(select(bitcast<u32>(b), bitcast<u32>(a), !finite_a) & 0x7fffffffu);
}

var<workgroup> maxima: array<f32, LANES / UNIT>;

@compute @workgroup_size(LANES)
fn logits(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let lane = index % UNIT;
    let unit = index / UNIT;
    let row = (group.x * (LANES / UNIT) + unit) * 4u;
    let scales = norm_scales(index, false);
    let sum = unit_sum(index, lane, normed_rows4(row, index, lane, scales));
    if (lane == 0u) {
        let capped = softcap(sum, params.softcap);
        var largest = LOWEST;
        for (var i = 0u; i < 4u; i++) {
            if (row + i < params.n_rows) {
                logits_out[params.first_row + row + i] = capped[i];
                largest = larger(largest, capped[i]);
            }
        }
        maxima[unit] = largest;
    }
    workgroupBarrier();
    // Eight units make a block.
    let first = (group.x * (LANES / UNIT) + 8u * index) * 4u;
    if (index < LANES / UNIT / 8u && first < params.n_rows) {
        var largest = LOWEST;
        for (var i = 0u; i < 8u; i++) {
            largest = larger(largest, maxima[8u * index + i]);
        }
        block_max[(params.first_row + first) >> 5u] = largest;
    }
}
