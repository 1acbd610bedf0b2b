// Thirty-two lanes for four rows, as in lanes_32.wgsl, with sums by subgroups of any size, then with one barrier through workgroup
// memory. Lanes of a subgroup follow each other. Every invocation must call unit_sum.
const UNIT: u32 = 32u;    // lanes that share four rows
const LANES: u32 = 256u;  // per workgroup
var<workgroup> unit_sums: array<vec4<f32>, LANES>;

// The sum over the lanes of a unit, given to its first lane.
fn unit_sum(index: u32, lane: u32, own: vec4<f32>) -> vec4<f32> {
    let size = subgroupAdd(1u);
    var sum = own;
    for (var stride = 1u; stride < UNIT; stride <<= 1u) {
        // There is no lane beyond the subgroup: the lane keeps its own sum.
        let other = subgroupShuffleXor(sum, stride & (size - 1u));
        sum += select(vec4<f32>(), other, stride < size);
    }
    unit_sums[index] = sum;
    workgroupBarrier();
    if (lane == 0u) {
        for (var i = size; i < UNIT; i += size) {
            sum += unit_sums[index + i];
        }
    }
    return sum;
}
