// Int8 activations [T, K] of a product, as operand_int8.wgsl writes them: a group of sixteen takes four pairs, three of them in use.
// Uses: encode
@group(0) @binding(2) var<storage, read> x: array<vec2<u32>>;

fn input16(group: u32) -> Input16 {
    let at = 4u * group;
    let scales = bitcast<vec2<f32>>(x[at + 2u]);
    return Input16(vec4<u32>(x[at], x[at + 1u]), scales.x, scales.y);
}
