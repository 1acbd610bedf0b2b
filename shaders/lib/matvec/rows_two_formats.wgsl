// Rows of two formats: those from n_rows on are of the second, in bind group 2. product4_b is a copy of product4 for it.
// Uses: matvec/common matvec/product4

// Four rows from `row` on, if there are any.
fn rows4(row: u32, begin: u32, end: u32, lane: u32) -> vec4<f32> {
    if (row < params.n_rows) {
        return product4(row, params.n_rows, begin, end, lane);
    }
    if (row < params.n_rows + params.n_more) {
        return product4_b(row - params.n_rows, params.n_more, begin, end, lane);
    }
    return vec4<f32>();
}

// Four rows of gate and the same of up.
fn gate_up4(row: u32, begin: u32, end: u32, lane: u32) -> mat2x4<f32> {
    return mat2x4<f32>(product4(row, params.n_rows, begin, end, lane), product4_b(row, params.n_more, begin, end, lane));
}
