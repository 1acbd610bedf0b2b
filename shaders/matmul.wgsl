// y[t, column(n)] = sum_k W[n, k] x[t, k]         for many tokens: W is decoded once a tile
// Shapes: W [N, K] block-quantised (this part's rows); x [T, K], y [T, n_total] f32.
// Bindings: 0 params, 1 step, 2 x, 3 y; group 1 the planes of W.
// Dispatch: (ceil(N / 64), ceil(T / 64)): 8 x 8 invocations make 64 x 64 outputs, 8 x 8 each, 32 of K a step.
// Reference: the usual register-blocked GEMM; both tiles fill the 16 KiB of workgroup memory that WebGPU guarantees. Blocks of
// 16 tokens beyond T are skipped, so that a short prompt does not cost a whole tile.
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// [quad of k][row]: neighbouring invocations read neighbouring rows.
var<workgroup> tile_w: array<vec4<f32>, 512>;
var<workgroup> tile_x: array<vec4<f32>, 512>;

fn load_weights(row: u32, first: u32, half: u32, group: u32) {
    var w = mat4x4<f32>();
    if (first + row < params.n_rows && group < params.n_groups) {
        w = weights16((first + row) * params.n_groups + group);
    }
    let at = half * 256u + row;
    tile_w[at] = w[0];
    tile_w[at + 64u] = w[1];
    tile_w[at + 128u] = w[2];
    tile_w[at + 192u] = w[3];
}

fn load_inputs(row: u32, first: u32, quad: u32) {
    let live = first + row < step.n_tokens;
    let start = (first + row) * 4u * params.n_groups;
    for (var i = 0u; i < 8u; i++) {
        var v = vec4<f32>();
        if (live && quad + i < 4u * params.n_groups) {
            v = x[start + quad + i];
        }
        tile_x[i * 64u + row] = v;
    }
}

fn four(at: u32) -> mat4x4<f32> {
    return mat4x4<f32>(tile_w[at], tile_w[at + 8u], tile_w[at + 16u], tile_w[at + 24u]);
}

// Products of four rows with the tokens at `at` and eight further of the tile.
fn two(w: mat4x4<f32>, at: u32) -> mat2x4<f32> {
    return mat2x4<f32>(tile_x[at] * w, tile_x[at + 8u] * w);
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
fn matmul(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let column = index & 7u;
    let line = index >> 3u;
    let first = 64u * group.xy;
    let n_steps = (params.n_groups + 1u) >> 1u;
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
    for (var i = 0u; i < n_steps; i++) {
        load_weights(index, first.x, 0u, 2u * i);
        load_weights(index, first.x, 1u, 2u * i + 1u);
        load_inputs(index, first.y, 8u * i);
        workgroupBarrier();
        let end = 64u * min(8u, 4u * params.n_groups - 8u * i);
        for (var k = 0u; k < end; k += 64u) {
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
