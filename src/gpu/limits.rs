//! Limits of an adapter that decide the layout of matrices and caches.

use serde::Serialize;

/// Limits of an adapter. The default ones are those of every WebGPU adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Largest storage binding, in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// Alignment of a storage binding's offset, in bytes.
    pub binding_alignment: u64,
    /// Storage buffers that a kernel may bind.
    pub max_storage_buffers: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
            binding_alignment: 256,
            max_storage_buffers: 8,
        }
    }
}

impl Limits {
    /// Largest buffer that can be bound whole, in bytes.
    #[must_use]
    pub fn max_bound_bytes(&self) -> u64 {
        self.max_binding_bytes.min(self.max_buffer_bytes)
    }
}
