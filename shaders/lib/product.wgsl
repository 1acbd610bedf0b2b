// Parameters of the products of many tokens with a part of a matrix, and the columns of their results.
struct Params {
    n_rows: u32,     // N of this part
    n_groups: u32,   // K / 16
    first_col: u32,  // of y, for row 0 of this part
    n_total: u32,    // columns of y: other parts and matrices compute the rest
    fold: u32,       // row n computes column n / fold * stride + n % fold: matrices fused into one may lie apart
    stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

// Column of y that row n of the part computes.
fn column(n: u32) -> u32 {
    return params.first_col + n / params.fold * params.stride + n % params.fold;
}
