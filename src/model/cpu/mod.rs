//! A model on the CPU: weights and state shared out among workers, the plans that they run, and the loop that feeds
//! them.

pub mod eval;
pub mod kv_swap;
pub mod load;
pub mod memory;
pub mod model;
pub mod recorder;
pub mod share;
pub mod tensors;
pub mod trial;
