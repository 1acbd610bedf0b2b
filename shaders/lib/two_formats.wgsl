// The second member's rows are of another format, in bind group 2.
fn more4(row: u32, begin: u32, end: u32, lane: u32) -> vec4<f32> {
    return product4_b(row, params.n_more, begin, end, lane);
}
