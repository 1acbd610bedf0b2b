// mixed[h, :] = sum_c exp(m_c - m) o_c[h, :] / sum_c exp(m_c - m) l_c         (o, m, l)_c = partials[c, h], m = max_c m_c; and its codes
// Shapes: partials [chunks, H, C + 4] f32; mixed [H, C] and its codes in acts. For one token.
// Bindings: 0 params, 1 step, 2 acts, 3 partials.
// Dispatch: (ceil(H * C / 16 / 64)): one invocation per sixteen channels.
// Reference: FlashDecoding, Dao et al. 2023: the softmax of the whole from the maxima and sums of its chunks.
// Uses: step chunks acts codes
struct Params {
    head_dim: u32,  // C
    n_heads: u32,   // H
    window: u32,    // keys a query sees, itself included; 0: all
    out: u32,       // quad of acts
    codes: u32,     // quad of acts
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> partials: array<vec4<f32>>;

@compute @workgroup_size(64)
fn attention_reduce(@builtin(global_invocation_id) at: vec3<u32>) {
    let groups_per_head = params.head_dim >> 4u;
    let n_quads = params.head_dim >> 2u;
    let head = at.x / groups_per_head;
    if (head >= params.n_heads) {
        return;
    }
    let quad = (at.x % groups_per_head) * 4u;
    let n = n_chunks(step.position + 1u - first_key(step.position, params.window));
    var largest = -3.0e38;
    for (var c = 0u; c < n; c++) {
        largest = max(largest, partials[(c * params.n_heads + head) * (n_quads + 1u) + n_quads].x);
    }
    var total = 0.0;
    var sum = mat4x4<f32>();
    for (var c = 0u; c < n; c++) {
        let from_quad = (c * params.n_heads + head) * (n_quads + 1u);
        let m_l = partials[from_quad + n_quads];
        let weight = exp(m_l.x - largest);
        total += weight * m_l.y;
        let o = from_quad + quad;
        sum += weight * mat4x4<f32>(partials[o], partials[o + 1u], partials[o + 2u], partials[o + 3u]);
    }
    sum = sum * (1.0 / total);
    let to = params.out + 4u * at.x;
    acts[to] = bitcast<vec4<u32>>(sum[0]);
    acts[to + 1u] = bitcast<vec4<u32>>(sum[1]);
    acts[to + 2u] = bitcast<vec4<u32>>(sum[2]);
    acts[to + 3u] = bitcast<vec4<u32>>(sum[3]);
    put_codes(params.codes + 2u * at.x, sum);
}
