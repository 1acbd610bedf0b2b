// Sixteen weights times sixteen activations: an integer dot product, scaled in f32.
fn times16(group: u32, a: Input16) -> f32 {
    return dot_codes(codes16(group), a);
}
