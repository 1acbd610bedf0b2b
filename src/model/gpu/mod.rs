//! A model on the GPU: weights in matrices, state in buffers, plans of kernels, and the loop that feeds them.

pub mod adapter_record;
pub mod decode;
pub mod eval;
pub mod fused;
pub mod kv_swap;
pub mod load;
pub mod memory;
pub mod model;
pub mod profile;
pub mod recorder;
pub mod runner;
pub mod self_test;
pub mod state;
pub mod token_ring;
pub mod tuning;
pub mod weights;

pub use crate::gpu::device::AdapterInfo;
pub use crate::gpu::{Arithmetic, GpuOptions, Limits, Tuning};
