// Parameters of the products of one token with the rows of a matrix, four rows per unit of lanes. Places are quads of `acts`; an
// activation that is also stored as codes takes two quads per group of sixteen (lib/codes.wgsl). Twin: src/kernels/matvec_common.rs.
struct Params {
    n_groups: u32,   // K / 16
    n_rows: u32,     // rows of the first format (or matrix) in this part
    n_more: u32,     // rows of the second
    x: u32,          // place of the input: the residual stream, or a plain input
    y: u32,          // place of the addition to the residual stream
    x_out: u32,      // place of the new residual stream
    flags: u32,      // 1: y is added; 2: y is normalised first; 4: x_out is written; 8: the norm is the second of `norms`
    eps: f32,
    out: u32,        // place of the results of this part
    first_row: u32,  // logits: of this part
    softcap: f32,    // logits: soft-cap, 0: none
    fold: u32,       // row n is column n / fold * stride + n % fold of the whole
    stride: u32,
    codes: u32,      // place of the codes of the plain input, or of the gated output
}
@group(0) @binding(0) var<uniform> params: Params;

// Place of the four results from row `row` on.
fn column(row: u32) -> u32 {
    return params.out + (((row / params.fold) * params.stride + row % params.fold) >> 2u);
}
