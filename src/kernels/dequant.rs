//! Block-quantised weights to f32: not part of a forward pass, but the proof that a format's fragment decodes bit for bit.

use crate::gpu::Kernel;

/// `shaders/dequant.wgsl`.
pub static KERNEL: Kernel = Kernel { name: "dequant", wgsl: include_str!("../../shaders/dequant.wgsl"), libs: &[] };
