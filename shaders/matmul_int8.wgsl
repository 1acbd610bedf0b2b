// y[t, column(n)] = sum_g (d s sum_i q[i] c[i] + m r)      W = d q + m, x = s c, r = s sum_i c[i] in each group g of sixteen
// Shapes: W [N, K] block-quantised (this part's rows); x [T, K / 16] groups of (c, s, r); y [T, n_total] f32.
// Bindings: 0 params, 1 step, 2 x, 3 y; group 1 the planes of W.
// Dispatch: (ceil(N / 64), ceil(T / 64)): 8 x 8 invocations make 64 x 64 outputs, 8 x 8 each, two groups of K per step.
// Reference: the f32 tile of matmul.wgsl with four products per instruction.
// Uses: step product tile bytes encode input_int8 weights

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

fn load_step(index: u32, first: vec2<u32>, group: u32) {
    let rows = min(first + index, vec2<u32>(params.n_rows, step.n_tokens) - 1u);
    load(index, rows, group, 0u);
    load(index, rows, group + 1u, 64u);
}

// 64 entries per group of K; one beyond K is all zeros.
fn end_of_step(group: u32) -> u32 {
    return 128u;
}

@compute @workgroup_size(64)
fn matmul_int8(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    make_tile(group.xy, index);
}
