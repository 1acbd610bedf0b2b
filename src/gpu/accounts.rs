//! Memory accounts of a device: bytes of the live buffers by kind.

use std::cell::Cell;

/// Purpose of a buffer, as the accounts distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// Model weights, in planes.
    Weights,
    /// The KV cache.
    Kv,
    /// Activations, parameters, tables, staging.
    Scratch,
    /// KV caches of sessions that wait for their turn.
    Sessions,
}

const N_KINDS: usize = 4;

/// Bytes of the live buffers by kind.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    bytes: [Cell<u64>; N_KINDS],
    opened: Cell<u64>,
}

impl Accounts {
    pub(super) fn bytes_of(&self, kind: MemoryKind) -> u64 {
        self.bytes[kind as usize].get()
    }

    pub(super) fn total(&self) -> u64 {
        self.bytes.iter().map(Cell::get).sum()
    }

    /// Bytes of all buffers ever created.
    pub(super) fn opened(&self) -> u64 {
        self.opened.get()
    }

    pub(super) fn open(&self, kind: MemoryKind, bytes: u64) {
        self.opened.set(self.opened() + bytes);
        self.bytes[kind as usize].set(self.bytes_of(kind) + bytes);
    }

    pub(super) fn close(&self, kind: MemoryKind, bytes: u64) {
        self.bytes[kind as usize].set(self.bytes_of(kind).saturating_sub(bytes));
    }
}
