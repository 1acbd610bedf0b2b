// Cosine and sine of position x frequency, exact to f32 rounding at any position. WGSL specifies sin and cos on [-pi, pi]
// only, and a table of every position would be large, so the angle is split: position = 64 hi + lo, and the two
// rotations (computed on the CPU in f64) are multiplied. `rope_table` holds 64 rows for lo, then the rows for hi, of C/2 pairs.
fn rotation(position: u32, pair: u32, n_pairs: u32) -> vec2<f32> {
    let lo = rope_table[(position & 63u) * n_pairs + pair];
    let hi = rope_table[(64u + (position >> 6u)) * n_pairs + pair];
    return vec2<f32>(hi.x * lo.x - hi.y * lo.y, hi.x * lo.y + hi.y * lo.x);
}

// Channel `c` of a rotated head whose first channel is input[base]; pairs are (i, i + C/2) as in NeoX.
// The caller gives the channel and its partner.
fn rotated(value: f32, partner: f32, channel: u32, position: u32, n_pairs: u32) -> f32 {
    let upper = channel >= n_pairs;
    let angle = rotation(position, select(channel, channel - n_pairs, upper), n_pairs);
    return value * angle.x + select(-partner, partner, upper) * angle.y;
}
