// Input of a product, read where it lies.
// Uses: acts matvec/common
fn input16(i: u32) -> mat4x4<f32> {
    let at = params.x + 4u * i;
    return mat4x4<f32>(quad(at), quad(at + 1u), quad(at + 2u), quad(at + 3u));
}
