// Sum and maximum over a workgroup of 64. Every invocation must call them; all get the result.
var<workgroup> reduce_scratch: array<f32, 64>;

fn workgroup_sum(lane: u32, value: f32) -> f32 {
    reduce_scratch[lane] = value;
    workgroupBarrier();
    for (var stride = 32u; stride > 0u; stride >>= 1u) {
        if (lane < stride) {
            reduce_scratch[lane] += reduce_scratch[lane + stride];
        }
        workgroupBarrier();
    }
    let total = reduce_scratch[0];
    workgroupBarrier();
    return total;
}

fn workgroup_max(lane: u32, value: f32) -> f32 {
    reduce_scratch[lane] = value;
    workgroupBarrier();
    for (var stride = 32u; stride > 0u; stride >>= 1u) {
        if (lane < stride) {
            reduce_scratch[lane] = max(reduce_scratch[lane], reduce_scratch[lane + stride]);
        }
        workgroupBarrier();
    }
    let largest = reduce_scratch[0];
    workgroupBarrier();
    return largest;
}
