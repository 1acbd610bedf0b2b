// Normalised input of a sub-layer, which every workgroup computes itself: r = x + post_norm(y), then norm(r). `norms` holds the post-norm's
// weights, if there is one, and then the norm's. The first workgroup keeps r for the next sub-layer.
// Uses: sums acts matvec/common matvec/lanes matvec/input matvec/rows
@group(0) @binding(3) var<storage, read> norms: array<vec4<f32>>;

const ADDED: u32 = 1u;
const POST_NORM: u32 = 2u;
const KEPT: u32 = 4u;
const SECOND: u32 = 8u;

fn residual(i: u32, post_scale: f32) -> vec4<f32> {
    var r = quad(params.x + i);
    if ((params.flags & POST_NORM) != 0u) {
        r += quad(params.y + i) * post_scale * norms[i];
    } else if ((params.flags & ADDED) != 0u) {
        r += quad(params.y + i);
    }
    return r;
}

// The factors of both norms: of y, and of r.
fn norm_scales(index: u32, keep: bool) -> vec2<f32> {
    let n_quads = 4u * params.n_groups;
    var post_scale = 1.0;
    if ((params.flags & POST_NORM) != 0u) {
        var squares = 0.0;
        for (var i = index; i < n_quads; i += LANES) {
            let y = quad(params.y + i);
            squares += dot(y, y);
        }
        post_scale = 1.0 / sqrt(workgroup_sum(index, squares) / f32(4u * n_quads) + params.eps);
    }
    let kept = keep && (params.flags & KEPT) != 0u;
    var squares = 0.0;
    for (var i = index; i < n_quads; i += LANES) {
        let r = residual(i, post_scale);
        squares += dot(r, r);
        if (kept) {
            acts[params.x_out + i] = bitcast<vec4<u32>>(r);
        }
    }
    return vec2<f32>(post_scale, 1.0 / sqrt(workgroup_sum(index, squares) / f32(4u * n_quads) + params.eps));
}

fn normed(i: u32, scales: vec2<f32>) -> vec4<f32> {
    let weight = norms[i + select(0u, 4u * params.n_groups, (params.flags & SECOND) != 0u)];
    return residual(i, scales.x) * scales.y * weight;
}

// Stages the groups begin .. end.
fn stage_normed(index: u32, begin: u32, end: u32, scales: vec2<f32>) {
    for (var i = begin + index; i < end; i += LANES) {
        var values = mat4x4<f32>();
        for (var j = 0u; j < 4u; j++) {
            values[j] = normed(4u * i + j, scales);
        }
        stage(i, values);
    }
}

// Four rows from `row` on times the normalised input, as far as this lane takes part.
fn normed_rows4(row: u32, index: u32, lane: u32, scales: vec2<f32>) -> vec4<f32> {
    var sum = vec4<f32>();
    for (var begin = 0u; begin < params.n_groups; begin += TILE) {
        let end = min(begin + TILE, params.n_groups);
        stage_normed(index, begin, end, scales);
        workgroupBarrier();
        sum += rows4(row, begin, end, lane);
        workgroupBarrier();
    }
    return sum;
}
