// Formula:  out[16 g + i] = weight 16 g + i of a packed matrix, for g < n_groups.
// Shapes:   out is n_groups x 16 f32.
// Bindings: group 0: params, out; group 1: the planes of the format fragment that is joined in front.
// Dispatch: ceil(n_groups / 64) workgroups over x and y (x = params.width), one thread a group of sixteen weights.
// Reference: Format::decode_block in src/quant, bit for bit. Used by tests: the engine never writes decoded weights.
struct DequantParams {
    n_groups: u32,
    width: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: DequantParams;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn dequant(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = (workgroup.y * params.width + workgroup.x) * 64u + lane;
    if group >= params.n_groups {
        return;
    }
    let w = weights16(group);
    let at = group << 2u;
    out[at] = w[0];
    out[at + 1u] = w[1];
    out[at + 2u] = w[2];
    out[at + 3u] = w[3];
}
