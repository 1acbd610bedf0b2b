// Product of four rows from `row` on with the groups begin .. end of the input, as far as this lane takes part.
// Uses: matvec/common matvec/lanes matvec/input matvec/times
fn product4(row: u32, n_rows: u32, begin: u32, end: u32, lane: u32) -> vec4<f32> {
    let rows = min(vec4<u32>(row, row + 1u, row + 2u, row + 3u), vec4<u32>(n_rows - 1u)) * params.n_groups;
    var sum = vec4<f32>();
    for (var i = begin + lane; i < end; i += UNIT) {
        let a = input16(i);
        sum += vec4<f32>(
            times16(rows.x + i, a),
            times16(rows.y + i, a),
            times16(rows.z + i, a),
            times16(rows.w + i, a),
        );
    }
    return sum;
}
