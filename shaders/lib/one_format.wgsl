// All rows of the part are of one format: the second member's follow the first's.
fn more4(row: u32, begin: u32, end: u32, lane: u32) -> vec4<f32> {
    return product4(params.n_rows + row, params.n_rows + params.n_more, begin, end, lane);
}
