//! Everything that says wgpu: the device, buffers, matrices in planes, shaders, plans of dispatches,
//! read-back.
//!
//! Inside this folder, files import from each other by file; other modules use the names below.

pub mod accounts;
mod adapter;
pub(crate) mod bisect;
pub mod buffer;
pub mod device;
pub mod kv_cache;
pub mod layout;
pub mod limits;
pub mod matrix;
pub mod options;
pub(crate) mod pipeline;
pub mod plan;
pub mod profile;
pub mod readback;
pub mod shader;
pub mod submit;
pub mod tuning;

pub use accounts::MemoryKind;
pub use buffer::Buffer;
pub use device::Gpu;
pub use kv_cache::KvCache;
pub use limits::Limits;
pub use matrix::{FusedMatrix, Matrix, Slice};
pub use options::GpuOptions;
pub use plan::{Dispatch, Extent, ExtraBindings, Grid, Plan, RunParams};
pub use profile::Profile;
pub use shader::Kernel;
pub use submit::Command;
pub use tuning::{Arithmetic, Lanes, Tuning};
