// Rotary position embedding. The kernel binds `rope_table`.

// Cosine and sine of position x frequency, exact to f32 rounding at any position. WGSL specifies sin and cos on [-pi, pi]
// only, and a table of every position would be large, so the angle is split: position = 64 hi + lo, and the two
// rotations (computed on the CPU in f64) are multiplied. `rope_table` holds 64 rows for lo, then the rows for hi, of C/2 pairs.
fn rotation(position: u32, pair: u32, n_pairs: u32) -> vec2<f32> {
    let lo = rope_table[(position & 63u) * n_pairs + pair];
    let hi = rope_table[(64u + (position >> 6u)) * n_pairs + pair];
    return vec2<f32>(hi.x * lo.x - hi.y * lo.y, hi.x * lo.y + hi.y * lo.x);
}

// Four channels of a rotated head, whose pairs are (i, i + C/2) as in NeoX. The caller gives the quad and its partner.
fn rotated4(own: vec4<f32>, partner: vec4<f32>, quad: u32, position: u32, n_pairs: u32) -> vec4<f32> {
    let upper = 4u * quad >= n_pairs;
    let pair = 4u * quad - select(0u, n_pairs, upper);
    var turned = vec4<f32>();
    for (var i = 0u; i < 4u; i++) {
        let angle = rotation(position, pair + i, n_pairs);
        turned[i] = own[i] * angle.x + select(-partner[i], partner[i], upper) * angle.y;
    }
    return turned;
}
