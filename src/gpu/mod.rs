//! Everything that says wgpu: the device, buffers, matrices in planes, shaders, plans of dispatches, read-back.

pub mod buffer;
pub mod device;
pub mod kv_cache;
pub mod limits;
pub mod matrix;
pub(crate) mod pipeline;
pub mod plan;
pub mod profile;
pub mod readback;
pub mod run;
pub mod shader;
pub mod tuning;

pub use buffer::{Buffer, MemoryKind};
pub use device::{Gpu, GpuOptions};
pub use kv_cache::{KvCache, KvType};
pub use limits::Limits;
pub use matrix::{Matrix, Slice, FusedMatrix};
pub use plan::{Extent, Dispatch, Grid, Plan, RunParams};
pub use profile::Profile;
pub use run::Command;
pub use shader::Kernel;
pub use tuning::{Arithmetic, Tuning, Lanes};
