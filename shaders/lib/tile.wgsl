// Tile of a product: 64 rows of a matrix times 64 tokens by 8 x 8 invocations, 8 x 8 results each, two groups of K per step. The kernel
// loads and multiplies a step in f32 or int8: it defines load_step, end_of_step, four and two. Blocks of 16 tokens beyond T are
// skipped, so that a short prompt does not cost a whole tile.
// Uses: step product
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn store(token: u32, first: u32, sums: vec4<f32>) {
    if (token >= step.n_tokens) {
        return;
    }
    let at = token * params.n_total;
    for (var i = 0u; i < 4u; i++) {
        let row = first + 8u * i;
        if (row < params.n_rows) {
            y[at + column(row)] = sums[i];
        }
    }
}

fn store_block(token: u32, row: u32, low: mat2x4<f32>, high: mat2x4<f32>) {
    store(token, row, low[0]);
    store(token, row + 32u, high[0]);
    store(token + 8u, row, low[1]);
    store(token + 8u, row + 32u, high[1]);
}

fn make_tile(group: vec2<u32>, index: u32) {
    let column = index & 7u;
    let line = index >> 3u;
    let first = 64u * group;
    // Tokens line + 8 i, rows column + 8 j: low j = 0..4, high j = 4..8; two tokens per block of 16.
    let n_blocks = (step.n_tokens - first.y + 15u) >> 4u;
    var low_0 = mat2x4<f32>();
    var low_1 = mat2x4<f32>();
    var low_2 = mat2x4<f32>();
    var low_3 = mat2x4<f32>();
    var high_0 = mat2x4<f32>();
    var high_1 = mat2x4<f32>();
    var high_2 = mat2x4<f32>();
    var high_3 = mat2x4<f32>();
    for (var i = 0u; i < params.n_groups; i += 2u) {
        load_step(index, first, i);
        workgroupBarrier();
        let end = end_of_step(i);
        for (var k = 0u; k < end; k += 64u) {
            let low = four(k + column);
            let high = four(k + column + 32u);
            let x = k + line;
            low_0 += two(low, x);
            high_0 += two(high, x);
            if (n_blocks > 1u) {
                low_1 += two(low, x + 16u);
                high_1 += two(high, x + 16u);
            }
            if (n_blocks > 2u) {
                low_2 += two(low, x + 32u);
                high_2 += two(high, x + 32u);
            }
            if (n_blocks > 3u) {
                low_3 += two(low, x + 48u);
                high_3 += two(high, x + 48u);
            }
        }
        workgroupBarrier();
    }
    let to = first.yx + vec2<u32>(line, column);
    store_block(to.x, to.y, low_0, high_0);
    store_block(to.x + 16u, to.y, low_1, high_1);
    store_block(to.x + 32u, to.y, low_2, high_2);
    store_block(to.x + 48u, to.y, low_3, high_3);
}
