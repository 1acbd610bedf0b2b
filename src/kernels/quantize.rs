//! Activations as int8: groups of sixteen signed bytes with a scale, `x = s * code`, for products with
//! integer weights.
//!
//! It is no kernel of its own: the kernels that compute a product's input write it in this form
//! (shaders/lib/encode.wgsl). On the GPU a group takes two quads, half of what its sixteen f32 take: the
//! codes in order, then the scale and the scale times the sum of the codes. So a buffer for f32 activations
//! holds int8 ones as well.

/// Values that share a scale.
const GROUP: usize = 16;
/// A group whose largest value is not above this counts as zeros: its scale could not be inverted.
const SMALLEST: f32 = 1e-30;

/// CPU twin of `encode16`: the codes, and for each sixteen of them the scale and the scale times their sum.
#[must_use]
pub fn quantize(x: &[f32]) -> (Vec<i8>, Vec<[f32; 2]>) {
    let (mut codes, mut scales) = (Vec::with_capacity(x.len()), Vec::with_capacity(x.len() / GROUP));
    for group in x.chunks_exact(GROUP) {
        let largest = group.iter().fold(0f32, |m, x| m.max(x.abs()));
        let scale = if largest > SMALLEST { largest / 127.0 } else { 0.0 };
        let code = |x: &f32| if scale > 0.0 { (x / scale).round_ties_even() as i8 } else { 0 };
        let start = codes.len();
        codes.extend(group.iter().map(code));
        let sum: i32 = codes.iter().skip(start).map(|c| i32::from(*c)).sum();
        scales.push([scale, scale * sum as f32]);
    }
    (codes, scales)
}

/// Values of the codes: the activations that an int8 product actually multiplies.
#[must_use]
pub fn dequantized(codes: &[i8], scales: &[[f32; 2]]) -> Vec<f32> {
    let group = |(codes, [scale, _]): (&[i8], &[f32; 2])| {
        let scale = *scale;
        codes.iter().map(move |c| f32::from(*c) * scale).collect::<Vec<_>>()
    };
    codes.chunks_exact(GROUP).zip(scales).flat_map(group).collect()
}
