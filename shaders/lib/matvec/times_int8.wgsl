// Sixteen weights d * q + m times sixteen activations s * c: d * s * sum(q c) + m * s * sum(c), the first sum in integers.
// Uses: encode weights
fn times16(group: u32, a: Input16) -> f32 {
    let w = codes16(group);
    let dots = dot4I8Packed(w.q.x, a.q.x) + dot4I8Packed(w.q.y, a.q.y) + dot4I8Packed(w.q.z, a.q.z) + dot4I8Packed(w.q.w, a.q.w);
    return w.d * a.s * f32(dots) + w.m * a.sum;
}
