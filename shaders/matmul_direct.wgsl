// y[t, column(n)] = sum_g (d s sum_i q[i] c[i] + m r)      W = d q + m, x = s c, r = s sum_i c[i] in each group g of sixteen
// Shapes: W [N, K] block-quantised (this part's rows); x [T, K / 16] groups of (c, s, r); y [T, n_total] f32.
// Bindings: 0 params, 1 step, 2 x, 3 y; group 1 the planes of W.
// Dispatch: (ceil(N / 128), ceil(T / 8)): 32 invocations, each 4 rows x 8 tokens in registers; no workgroup memory, no barrier.
// Reference: measured on drivers that run on the CPU (llvmpipe, SwiftShader), where barriers and integer dot products are expensive: the
// codes are widened to f32 once for 32 products. A sum of sixteen is below 2^24, so it is the exact integer.
// Uses: step bytes product input_int8 weights
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

const LANES: u32 = 32u;

// Sixteen weights of four rows: their codes, scales and offsets.
struct Four {
    a: mat4x4<f32>,
    b: mat4x4<f32>,
    c: mat4x4<f32>,
    d: mat4x4<f32>,
    scale: vec4<f32>,
    offset: vec4<f32>,
}

fn load4(rows: vec4<u32>) -> Four {
    let a = codes16(rows.x);
    let b = codes16(rows.y);
    let c = codes16(rows.z);
    let d = codes16(rows.w);
    let scale = vec4<f32>(a.d, b.d, c.d, d.d);
    let offset = vec4<f32>(a.m, b.m, c.m, d.m);
    return Four(signed16(a.q, 1.0), signed16(b.q, 1.0), signed16(c.q, 1.0), signed16(d.q, 1.0), scale, offset);
}

fn dot16(w: mat4x4<f32>, x: mat4x4<f32>) -> f32 {
    return dot(w[0], x[0]) + dot(w[1], x[1]) + dot(w[2], x[2]) + dot(w[3], x[3]);
}

fn product(w: Four, group: u32) -> vec4<f32> {
    let a = input16(group);
    let x = signed16(a.q, 1.0);
    let sums = vec4<f32>(dot16(w.a, x), dot16(w.b, x), dot16(w.c, x), dot16(w.d, x));
    return w.scale * a.s * sums + w.offset * a.sum;
}

@compute @workgroup_size(32)
fn matmul_direct(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = params.n_groups;
    let row = group.x * 4u * LANES + lane;
    let token = group.y * 8u;
    let rows = min(row + LANES * vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.n_rows - 1u)) * n;
    let last = vec4<u32>(step.n_tokens - 1u);
    let low = min(token + vec4<u32>(0u, 1u, 2u, 3u), last) * n;
    let high = min(token + vec4<u32>(4u, 5u, 6u, 7u), last) * n;
    var low_sums = mat4x4<f32>();
    var high_sums = mat4x4<f32>();
    for (var i = 0u; i < n; i++) {
        let w = load4(rows + i);
        // Four tokens and the other four: written out once, for drivers that take long to compile.
        for (var half = 0u; half < 2u; half++) {
            let at = select(low, high, half == 1u) + i;
            let sums = mat4x4<f32>(product(w, at.x), product(w, at.y), product(w, at.z), product(w, at.w));
            if (half == 0u) {
                low_sums += sums;
            } else {
                high_sums += sums;
            }
        }
    }
    let n_tokens = min(step.n_tokens - min(token, step.n_tokens), 8u);
    let n_here = min((params.n_rows - min(row, params.n_rows) + LANES - 1u) / LANES, 4u);
    for (var i = 0u; i < n_here; i++) {
        let to = token * params.n_total + column(row + i * LANES);
        for (var j = 0u; j < n_tokens; j++) {
            let sums = select(low_sums[j & 3u], high_sums[j & 3u], j > 3u);
            y[to + j * params.n_total] = sums[i];
        }
    }
}
