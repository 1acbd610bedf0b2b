// Codes of the normalised input in workgroup memory, 512 values at a time: software adapters take long to compile kernels with much
// workgroup memory.
// Uses: encode
const TILE: u32 = 32u;  // groups
var<workgroup> staged: array<vec4<u32>, TILE>;
var<workgroup> staged_scales: array<vec2<f32>, TILE>;

fn stage(i: u32, v: mat4x4<f32>) {
    let a = encode16(v);
    staged[i % TILE] = a.q;
    staged_scales[i % TILE] = vec2<f32>(a.s, a.sum);
}

fn input16(i: u32) -> Input16 {
    let scales = staged_scales[i % TILE];
    return Input16(staged[i % TILE], scales.x, scales.y);
}
