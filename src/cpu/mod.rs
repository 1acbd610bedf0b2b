//! The processor as a device: matrices in groups of eight rows, int8 activations, and the operations of a Gemma over them.
//!
//! Every operation is written once over [`lanes`] and compiled for each instruction set that a processor may have. An
//! operation takes a range of rows or heads, so that several workers can share it, and each row is computed the same way
//! whoever does it.

/// An array of `$n` values. [`core::array::from_fn`] is not always inlined, and then neither are the vector operations in it.
macro_rules! array {
    ($i:ident < $n:expr, $first:expr, $value:expr) => {{
        let mut all = [$first; $n];
        for $i in 0..$n {
            all[$i] = $value;
        }
        all
    }};
}

pub mod activations;
pub mod attention;
pub mod codes;
pub mod lanes;
pub mod link;
pub mod matrix;
pub mod memory;
pub mod operations;
pub mod plan;
pub mod product;
pub mod product_f32;
pub mod rope;
pub mod rows;
pub mod scales;
pub mod split;
pub mod sums;
pub mod swapped;
pub mod team;
#[cfg(test)]
mod testing;
#[cfg(not(target_arch = "wasm32"))]
pub mod threads;
pub mod unpacked;
pub mod worker;
