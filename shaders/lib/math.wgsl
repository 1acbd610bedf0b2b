// tanh overflows to NaN for large arguments in some implementations; it is 1 within f32 rounding from 10 on.
fn tanh_safe(x: vec4<f32>) -> vec4<f32> {
    return tanh(clamp(x, vec4<f32>(-15.0), vec4<f32>(15.0)));
}

// GELU in the tanh form that Gemma was trained with: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
fn gelu_tanh(x: vec4<f32>) -> vec4<f32> {
    return 0.5 * x * (1.0 + tanh_safe(0.7978845608028654 * x * (1.0 + 0.044715 * x * x)));
}

// cap tanh(x / cap), or x itself where the model has no cap (0). What is not finite stays so, which its bits tell: a cap would make a
// number of it, and compilers may take all numbers for finite.
fn softcap(x: vec4<f32>, cap: f32) -> vec4<f32> {
    let finite = (bitcast<vec4<u32>>(x) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u);
    return select(x, cap * tanh_safe(x / cap), finite & vec4<bool>(cap > 0.0));
}
