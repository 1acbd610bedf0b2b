//! Everything that says wgpu.
