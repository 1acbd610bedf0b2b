// x[t, :] += post_norm(out[t, :]) (or out[t, :], or nothing);  operand[t, :] = norm(x[t, :])     norm(x) = x rsqrt(mean(x^2) + eps) w
// Shapes: out, x [.., D] f32, from row first_row on; norms [D], or [2, D] with the post-norm's weights first; operand [T, D].
// Bindings: 0 params, 1 step, 2 out, 3 norms, 4 x; group 1 the operand, in f32 or int8.
// Dispatch: (T): one workgroup of 64 per row.
// Reference: gemma_pytorch gemma/model.py Gemma2DecoderLayer, RMSNorm; statistics in f32 as there.
// Uses: step sums operand
struct Params {
    n_groups: u32,  // D / 16
    flags: u32,     // 1: out is added; 2: norms begin with a post-norm
    eps: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> norms: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> x: array<vec4<f32>>;
@group(1) @binding(0) var<storage, read_write> operand: array<vec4<u32>>;

const LANES: u32 = 64u;
const ADDED: u32 = 1u;
const POST_NORM: u32 = 2u;

fn scale_of(lane: u32, squares: f32) -> f32 {
    return 1.0 / sqrt(workgroup_sum(lane, squares) / f32(16u * params.n_groups) + params.eps);
}

// Adds out to x if the flag says so, times `scale` and the post-norm's weights if there is a post-norm; returns the sum of the squares of x.
fn added(lane: u32, start: u32, scale: f32) -> f32 {
    var squares = 0.0;
    for (var i = lane; i < 4u * params.n_groups; i += LANES) {
        var sum = x[start + i];
        if (params.flags == (ADDED | POST_NORM)) {
            sum += out[start + i] * scale * norms[i];
        } else if (params.flags == ADDED) {
            sum += out[start + i];
        }
        x[start + i] = sum;
        squares += dot(sum, sum);
    }
    return squares;
}

@compute @workgroup_size(LANES)
fn norm_add(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n_quads = 4u * params.n_groups;
    let start = (step.first_row + group.x) * n_quads;
    var post_scale = 1.0;
    if (params.flags == (ADDED | POST_NORM)) {
        var squares = 0.0;
        for (var i = lane; i < n_quads; i += LANES) {
            squares += dot(out[start + i], out[start + i]);
        }
        post_scale = scale_of(lane, squares);
    }
    let scale = scale_of(lane, added(lane, start, post_scale));
    // Other invocations wrote the quads that this one reads now.
    storageBarrier();
    let weights = select(0u, n_quads, (params.flags & POST_NORM) != 0u);
    for (var i = lane; i < params.n_groups; i += LANES) {
        let at = start + 4u * i;
        let w = weights + 4u * i;
        put16(group.x * params.n_groups + i, mat4x4<f32>(
            x[at] * scale * norms[w],
            x[at + 1u] * scale * norms[w + 1u],
            x[at + 2u] * scale * norms[w + 2u],
            x[at + 3u] * scale * norms[w + 3u],
        ));
    }
}
