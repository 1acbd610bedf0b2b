// Codes of the input of a product, read where they lie.
// Uses: acts encode matvec/common
fn input16(i: u32) -> Input16 {
    let at = params.codes + 2u * i;
    let scales = quad(at + 1u);
    return Input16(acts[at], scales.x, scales.y);
}
