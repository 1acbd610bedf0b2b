// y[t, column(n)] = sum_k W[n, k] x[t, k]         for many tokens: W is decoded once per tile
// Shapes: W [N, K] block-quantised (this part's rows); x [T, K], y [T, n_total] f32.
// Bindings: 0 params, 1 step, 2 x, 3 y; group 1 the planes of W.
// Dispatch: (ceil(N / 64), ceil(T / 64)): 8 x 8 invocations make 64 x 64 outputs, 8 x 8 each, 32 of K per step.
// Reference: the usual register-blocked GEMM; both tiles fill the 16 KiB of workgroup memory that WebGPU guarantees.
// Uses: step product tile weights
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

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

fn load_step(index: u32, first: vec2<u32>, group: u32) {
    load_weights(index, first.x, 0u, group);
    load_weights(index, first.x, 1u, group + 1u);
    load_inputs(index, first.y, 4u * group);
}

// 64 entries per quad of K, of which the last step may have half.
fn end_of_step(group: u32) -> u32 {
    return 64u * min(8u, 4u * (params.n_groups - group));
}

@compute @workgroup_size(64)
fn matmul(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    make_tile(group.xy, index);
}
