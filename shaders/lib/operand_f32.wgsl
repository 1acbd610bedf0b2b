// Rows that a kernel makes for a product in f32: sixteen values a call, `group` counts sixteens from the start of [T, K].
@group(1) @binding(0) var<storage, read_write> operand: array<vec4<f32>>;

fn put16(group: u32, x: mat4x4<f32>) {
    let at = 4u * group;
    operand[at] = x[0];
    operand[at + 1u] = x[1];
    operand[at + 2u] = x[2];
    operand[at + 3u] = x[3];
}
