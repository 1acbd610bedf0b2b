// y[t, first_row + n] = sum_k W[n, k] x[t, k]         for few tokens: one pass over W for each
// Shapes: W [N, K] block-quantised (this part's rows); x [T, K], y [T, n_total] f32.
// Bindings: 0 params, 1 step, 2 x, 3 y; group 1 the planes of W.
// Dispatch: (ceil(N / 16), T): 4 units of 16 lanes a workgroup, 4 rows a unit; a lane strides over groups of sixteen weights.
// Reference: research on GEMV in WebGPU engines: amortise x over several rows, decode in registers.
struct Params {
    n_rows: u32,     // N
    n_groups: u32,   // K / 16
    first_row: u32,  // of this part within y
    n_total: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

var<workgroup> partial: array<vec4<f32>, 64>;

fn dot16(w: mat4x4<f32>, a: mat4x4<f32>) -> f32 {
    return dot(w[0], a[0]) + dot(w[1], a[1]) + dot(w[2], a[2]) + dot(w[3], a[3]);
}

@compute @workgroup_size(64)
fn matvec(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let lane = index & 15u;
    let row = group.x * 16u + (index >> 4u) * 4u;
    let last = params.n_rows - 1u;
    let n = params.n_groups;
    let rows = min(vec4<u32>(row, row + 1u, row + 2u, row + 3u), vec4<u32>(last)) * n;
    let start = group.y * n * 4u;
    var sum = vec4<f32>();
    for (var i = lane; i < n; i += 16u) {
        let at = start + 4u * i;
        let a = mat4x4<f32>(x[at], x[at + 1u], x[at + 2u], x[at + 3u]);
        sum += vec4<f32>(
            dot16(weights16(rows.x + i), a),
            dot16(weights16(rows.y + i), a),
            dot16(weights16(rows.z + i), a),
            dot16(weights16(rows.w + i), a),
        );
    }
    partial[index] = sum;
    workgroupBarrier();
    for (var stride = 8u; stride > 0u; stride >>= 1u) {
        if (lane < stride) {
            partial[index] += partial[index + stride];
        }
        workgroupBarrier();
    }
    if (lane < 4u && row + lane < params.n_rows && group.y < step.n_tokens) {
        y[group.y * params.n_total + params.first_row + row + lane] = partial[index - lane][lane];
    }
}
