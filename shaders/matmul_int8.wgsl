// y[t, column(n)] = sum_g (d s sum_i q[i] c[i] + m r)      W = d q + m, x = s c, r = s sum_i c[i] in each group g of sixteen
// Shapes: W [N, K] block-quantised (this part's rows); x [T, K / 16] groups of (c, s, r); y [T, n_total] f32.
// Bindings: 0 params, 1 step, 2 x, 3 y; group 1 the planes of W.
// Dispatch: (ceil(N / 64), ceil(T / 64)): 8 x 8 invocations make 64 x 64 outputs, 8 x 8 each, two groups of K a step.
// Reference: the f32 tile of matmul.wgsl with four products an instruction; blocks of 16 tokens beyond T are skipped.
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// [group of the step][row]: neighbouring invocations read neighbouring rows.
var<workgroup> tile_w: array<vec4<u32>, 128>;
var<workgroup> tile_dm: array<vec2<f32>, 128>;
var<workgroup> tile_x: array<vec4<u32>, 128>;
var<workgroup> tile_sr: array<vec2<f32>, 128>;

fn load(index: u32, rows: vec2<u32>, group: u32, at: u32) {
    var w = Codes16(vec4<u32>(), 0.0, 0.0);
    var x = Input16(vec4<u32>(), 0.0, 0.0);
    if (group < params.n_groups) {
        w = codes16(rows.x * params.n_groups + group);
        x = input16(rows.y * params.n_groups + group);
    }
    tile_w[at + index] = w.q;
    tile_dm[at + index] = vec2<f32>(w.d, w.m);
    tile_x[at + index] = x.q;
    tile_sr[at + index] = vec2<f32>(x.s, x.sum);
}

// Four rows of the tile, eight apart.
struct Four {
    a: vec4<u32>,
    b: vec4<u32>,
    c: vec4<u32>,
    d: vec4<u32>,
    scale: vec4<f32>,
    offset: vec4<f32>,
}

fn four(at: u32) -> Four {
    let a = tile_dm[at];
    let b = tile_dm[at + 8u];
    let c = tile_dm[at + 16u];
    let d = tile_dm[at + 24u];
    let scale = vec4<f32>(a.x, b.x, c.x, d.x);
    let offset = vec4<f32>(a.y, b.y, c.y, d.y);
    return Four(tile_w[at], tile_w[at + 8u], tile_w[at + 16u], tile_w[at + 24u], scale, offset);
}

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

// Products of four rows with the token at `at` of the tile.
fn products(w: Four, at: u32) -> vec4<f32> {
    let x = tile_x[at];
    let s = tile_sr[at];
    let sums = vec4<i32>(dot16(w.a, x), dot16(w.b, x), dot16(w.c, x), dot16(w.d, x));
    return w.scale * s.x * vec4<f32>(sums) + w.offset * s.y;
}

fn two(w: Four, at: u32) -> mat2x4<f32> {
    return mat2x4<f32>(products(w, at), products(w, at + 8u));
}

fn store(token: u32, first: u32, sums: vec4<f32>) {
    if (token >= step.n_tokens) {
        return;
    }
    let at = token * params.n_total;
    for (var i = 0u; i < 4u; i++) {
        let row = first + 8u * i;
        if (row < params.n_rows) {
            y[at + column(row)] = sums[i];
        }
    }
}

fn store_block(token: u32, row: u32, low: mat2x4<f32>, high: mat2x4<f32>) {
    store(token, row, low[0]);
    store(token, row + 32u, high[0]);
    store(token + 8u, row, low[1]);
    store(token + 8u, row + 32u, high[1]);
}

@compute @workgroup_size(64)
fn matmul_int8(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let column = index & 7u;
    let line = index >> 3u;
    let first = 64u * group.xy;
    let rows = min(first + index, vec2<u32>(params.n_rows, step.n_tokens) - 1u);
    // Tokens line + 8 i, rows column + 8 j: low j = 0..4, high j = 4..8; two tokens a block of 16.
    let n_blocks = (step.n_tokens - first.y + 15u) >> 4u;
    var low_0 = mat2x4<f32>();
    var low_1 = mat2x4<f32>();
    var low_2 = mat2x4<f32>();
    var low_3 = mat2x4<f32>();
    var high_0 = mat2x4<f32>();
    var high_1 = mat2x4<f32>();
    var high_2 = mat2x4<f32>();
    var high_3 = mat2x4<f32>();
    for (var i = 0u; i < params.n_groups; i += 2u) {
        load(index, rows, i, 0u);
        load(index, rows, i + 1u, 64u);
        workgroupBarrier();
        for (var k = 0u; k < 128u; k += 64u) {
            let low = four(k + column);
            let high = four(k + column + 32u);
            let x = k + line;
            low_0 += two(low, x);
            high_0 += two(high, x);
            if (n_blocks > 1u) {
                low_1 += two(low, x + 16u);
                high_1 += two(high, x + 16u);
            }
            if (n_blocks > 2u) {
                low_2 += two(low, x + 32u);
                high_2 += two(high, x + 32u);
            }
            if (n_blocks > 3u) {
                low_3 += two(low, x + 48u);
                high_3 += two(high, x + 48u);
            }
        }
        workgroupBarrier();
    }
    let to = first.yx + vec2<u32>(line, column);
    store_block(to.x, to.y, low_0, high_0);
    store_block(to.x + 16u, to.y, low_1, high_1);
    store_block(to.x + 32u, to.y, low_2, high_2);
    store_block(to.x + 48u, to.y, low_3, high_3);
}
