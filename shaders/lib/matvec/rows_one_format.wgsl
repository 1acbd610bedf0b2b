// Rows of one format. A loop in place of two calls halves the text that a driver compiles.
// Uses: matvec/common matvec/product4

// Four rows from `row` on, if there are any.
fn rows4(row: u32, begin: u32, end: u32, lane: u32) -> vec4<f32> {
    if (row < params.n_rows) {
        return product4(row, params.n_rows, begin, end, lane);
    }
    return vec4<f32>();
}

// Four rows of gate and the same of up, whose rows follow gate's.
fn gate_up4(row: u32, begin: u32, end: u32, lane: u32) -> mat2x4<f32> {
    var sums = mat2x4<f32>();
    for (var half = 0u; half < 2u; half++) {
        let first = half * params.n_rows;
        sums[half] = product4(first + row, first + params.n_rows, begin, end, lane);
    }
    return sums;
}
