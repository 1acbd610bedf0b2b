//! GPU buffers, each registered with its kind and size for as long as it lives.

use std::rc::Rc;

use super::accounts::{Accounts, MemoryKind};
use super::device::Gpu;
use crate::error::{Error, Result};

/// Size of every uniform buffer: the largest parameters, of the decode kernels, are 56 bytes.
pub const UNIFORM_BYTES: u64 = 64;

/// Allocated size of a buffer of `bytes` bytes: WebGPU wants multiples of 4, and an empty binding is an
/// error.
#[must_use]
pub const fn allocated(bytes: u64) -> u64 {
    if bytes < 16 { 16 } else { bytes.next_multiple_of(4) }
}

/// A buffer of `bytes` bytes (a multiple of 4), destroyed when dropped.
#[derive(Debug)]
pub struct Buffer {
    pub(super) raw: wgpu::Buffer,
    accounts: Rc<Accounts>,
    kind: MemoryKind,
}

impl Buffer {
    /// Size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.raw.size()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.accounts.close(self.kind, self.raw.size());
        self.raw.destroy();
    }
}

impl Gpu {
    /// A storage buffer that kernels can bind and the queue can write and copy.
    ///
    /// # Errors
    /// [`Error::LimitTooLow`] if `bytes` exceeds the adapter's buffer or binding limit.
    pub fn storage(&self, kind: MemoryKind, label: &str, bytes: u64) -> Result<Buffer> {
        let offers = self.limits().max_bound_bytes();
        if bytes > offers {
            return Err(Error::LimitTooLow { what: label.to_owned(), needs: bytes, offers });
        }
        Ok(self.small(kind, label, bytes))
    }

    /// A storage buffer known to be far below every limit.
    pub(crate) fn small(&self, kind: MemoryKind, label: &str, bytes: u64) -> Buffer {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        self.buffer(kind, label, bytes, usage)
    }

    /// A storage buffer of `rows` x `cols` f32.
    ///
    /// # Errors
    /// As [`Gpu::storage`].
    pub fn tensor(&self, label: &str, rows: usize, cols: usize) -> Result<Buffer> {
        self.storage(MemoryKind::Scratch, label, 4 * rows as u64 * cols as u64)
    }

    /// A buffer that no kernel binds: its bytes are written and copied to and from other buffers.
    #[must_use]
    pub fn store(&self, kind: MemoryKind, label: &str, bytes: u64) -> Buffer {
        self.buffer(kind, label, bytes, wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC)
    }

    /// A uniform buffer of [`UNIFORM_BYTES`], filled with `data` and zeros.
    #[must_use]
    pub fn uniform(&self, label: &str, data: &[u8]) -> Buffer {
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let buffer = self.buffer(MemoryKind::Scratch, label, UNIFORM_BYTES, usage);
        let mut padded = data.to_vec();
        padded.resize(UNIFORM_BYTES as usize, 0);
        self.write(&buffer, 0, &padded);
        buffer
    }

    /// Writes `data` (offset and length multiples of 4) before the next submission.
    pub fn write(&self, buffer: &Buffer, offset: u64, data: &[u8]) {
        self.counters.borrow_mut().bytes_written += data.len() as u64;
        self.bytes_pending.set(self.bytes_pending.get() + data.len() as u64);
        self.queue.write_buffer(&buffer.raw, offset, data);
    }

    /// Bytes written since the last submission, which the queue holds until the next one.
    #[must_use]
    pub fn bytes_pending(&self) -> u64 {
        self.bytes_pending.get()
    }

    pub(super) fn buffer(
        &self,
        kind: MemoryKind,
        label: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Buffer {
        let size = allocated(bytes);
        self.count_objects(1);
        self.accounts.open(kind, size);
        let raw = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        });
        Buffer { raw, accounts: Rc::clone(&self.accounts), kind }
    }
}
