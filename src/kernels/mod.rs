//! One file per WGSL kernel.
