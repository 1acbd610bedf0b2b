// Parameters of one run of a plan, the same for all its dispatches.
struct Step {
    n_tokens: u32,   // rows of this run (T)
    position: u32,   // context position of the first of them
    first_row: u32,  // row of the input that the first of them reads (the head starts at the last row of a chunk)
    pad: u32,
}
@group(0) @binding(1) var<uniform> step: Step;
