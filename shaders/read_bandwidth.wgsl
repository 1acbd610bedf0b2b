// y[i] = (seed + the words of the 32 vectors x[8192 w + l + 256 j], 0 <= j < 32) mod 2^24, where i = 256 w + l
// Shapes: x [N, 4] u32, y [ceil(N / 8192) * 256] f32; the seed is the position of the step.
// Bindings: 0 params, 1 step, 2 x, 3 y.
// Dispatch: ceil(N / 8192): neighbouring invocations read neighbouring vectors, and write a sum for each 512 bytes.
// Reference: none; it measures the speed of reading memory, and the sum keeps a compiler from removing the reads.
// Uses: step
struct Params {
    n_vectors: u32,  // N
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn read_bandwidth(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var at = group.x * 8192u + local;
    var sum = vec4<u32>(step.position, 0u, 0u, 0u);
    for (var j = 0u; j < 32u; j++) {
        if (at < params.n_vectors) {
            sum += x[at];
        }
        at += 256u;
    }
    // Below 2^24 an f32 is exact.
    y[group.x * 256u + local] = f32((sum.x + sum.y + sum.z + sum.w) & 0xffffffu);
}
