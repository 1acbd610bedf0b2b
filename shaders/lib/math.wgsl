// Elementary functions: tanh, GELU, soft-cap, and whether a float is finite.

// tanh overflows to NaN for large arguments in some implementations; it is 1 within f32 rounding from 10 on.
fn tanh_safe(x: vec4<f32>) -> vec4<f32> {
    return tanh(clamp(x, vec4<f32>(-15.0), vec4<f32>(15.0)));
}

// GELU in the tanh form that Gemma was trained with: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
fn gelu_tanh(x: vec4<f32>) -> vec4<f32> {
    return 0.5 * x * (1.0 + tanh_safe(0.7978845608028654 * x * (1.0 + 0.044715 * x * x)));
}

// Whether a float is neither infinite nor NaN, by its bits: compilers may take all floats for finite.
fn is_finite(bits: u32) -> bool {
    return (bits & 0x7f800000u) != 0x7f800000u;
}

// cap tanh(x / cap), or x itself if the model has no cap (0). Infinity and NaN stay: a cap would turn them into numbers.
fn softcap(x: vec4<f32>, cap: f32) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(x);
    let finite = vec4<bool>(is_finite(bits.x), is_finite(bits.y), is_finite(bits.z), is_finite(bits.w));
    return select(x, cap * tanh_safe(x / cap), finite & vec4<bool>(cap > 0.0));
}
