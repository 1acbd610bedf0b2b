// Normalised input in workgroup memory, 512 values at a time: software adapters take long to compile
// kernels with much workgroup memory.
const TILE: u32 = 32u;  // groups
var<workgroup> staged: array<vec4<f32>, 4u * TILE>;

fn stage(i: u32, v: mat4x4<f32>) {
    let at = (i % TILE) * 4u;
    staged[at] = v[0];
    staged[at + 1u] = v[1];
    staged[at + 2u] = v[2];
    staged[at + 3u] = v[3];
}

fn input16(i: u32) -> mat4x4<f32> {
    let at = (i % TILE) * 4u;
    return mat4x4<f32>(staged[at], staged[at + 1u], staged[at + 2u], staged[at + 3u]);
}
