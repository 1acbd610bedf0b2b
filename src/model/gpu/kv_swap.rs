//! KV caches of waiting sessions, swapped out: the slots in use of every layer, copied from the live cache
//! and back to it.

use crate::error::Result;
use crate::gpu::{Buffer, Command, Gpu, KvCache, MemoryKind};
use crate::model::gpu::model::Model;

/// Bytes written or read at a time.
pub const PIECE_BYTES: u64 = 16 << 20;

/// KV cache of a waiting session: keys and values of each layer and part, as they lie in the live cache.
#[derive(Debug)]
pub struct SwappedKv {
    planes: Vec<Buffer>,
}

impl SwappedKv {
    fn allocate(gpu: &Gpu, sizes: &[u64]) -> Self {
        let plane = |bytes: &u64| gpu.store(MemoryKind::Sessions, "swapped keys or values", *bytes);
        Self { planes: sizes.iter().map(plane).collect() }
    }
}

impl Model {
    /// Whether position `n_tokens` can be fed next after `n_written` positions were written: local layers
    /// keep little more than their window.
    #[must_use]
    pub fn can_return(&self, n_tokens: usize, n_written: usize) -> bool {
        self.shape.can_return(&self.config, n_tokens, n_written)
    }

    /// Layout of the bytes of a KV cache: everything that they depend on besides the model and the number of
    /// tokens.
    #[must_use]
    pub fn kv_layout(&self) -> Vec<u8> {
        let layer = |(i, cache): (usize, &KvCache)| {
            // A slot of a global layer is its position, whatever the context is.
            let ring = self.config.window_of(i).map_or(0, |_| cache.shape.n_slots);
            let parts = cache.parts.iter().map(|part| part.n_heads);
            let numbers =
                [ring, cache.shape.head_dim, cache.shape.kv.bytes() as usize].into_iter().chain(parts);
            numbers.flat_map(|n| (n as u64).to_le_bytes()).collect::<Vec<u8>>()
        };
        self.state.kv.iter().enumerate().flat_map(layer).collect()
    }

    /// Bytes in use of each plane of the KV cache after `n_tokens` tokens: the first slots, if a ring has
    /// more than that.
    #[must_use]
    pub fn plane_bytes(&self, n_tokens: usize) -> Vec<u64> {
        self.planes(n_tokens).into_iter().map(|(_, bytes)| bytes).collect()
    }

    /// Keys and values of each layer and part, with the bytes in use.
    fn planes(&self, n_tokens: usize) -> Vec<(&Buffer, u64)> {
        let caches = self.state.kv.iter();
        let parts = caches.flat_map(|cache| cache.parts.iter().map(move |part| (&cache.shape, part)));
        let planes = parts.flat_map(|(shape, part)| {
            let bytes = n_tokens.min(shape.n_slots) as u64 * part.slot_bytes(shape);
            [(&part.keys, bytes), (&part.values, bytes)]
        });
        planes.collect()
    }

    /// Allocates a swapped cache.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub async fn allocate_swapped(&self, n_tokens: usize) -> Result<SwappedKv> {
        let sizes = self.plane_bytes(n_tokens);
        self.gpu.in_scope("the KV cache of a session", || Ok(SwappedKv::allocate(&self.gpu, &sizes))).await
    }

    /// Copies the live KV cache out.
    ///
    /// # Errors
    /// As [`Model::allocate_swapped`]; faults of the device.
    pub async fn swap_out(&self, n_tokens: usize) -> Result<SwappedKv> {
        let swapped = self.allocate_swapped(n_tokens).await?;
        let planes = self.planes(n_tokens);
        let copies =
            planes.iter().zip(&swapped.planes).map(|((plane, bytes), to)| Command::copy(plane, to, *bytes));
        self.gpu.run(&copies.collect::<Vec<_>>())?;
        Ok(swapped)
    }

    /// Copies a swapped cache back into the live one.
    ///
    /// # Errors
    /// Faults of the device.
    pub fn swap_in(&self, swapped: &SwappedKv, n_tokens: usize) -> Result<()> {
        let planes = self.planes(n_tokens);
        let copies = planes
            .iter()
            .zip(&swapped.planes)
            .map(|((plane, bytes), from)| Command::copy(from, plane, *bytes));
        self.gpu.run(&copies.collect::<Vec<_>>())
    }

    /// Copy of a swapped cache.
    ///
    /// # Errors
    /// As [`Model::swap_out`].
    pub async fn duplicate(&self, swapped: &SwappedKv, n_tokens: usize) -> Result<SwappedKv> {
        let second = self.allocate_swapped(n_tokens).await?;
        let sizes = self.plane_bytes(n_tokens);
        let planes = swapped.planes.iter().zip(&second.planes).zip(&sizes);
        let copies = planes.map(|((from, to), bytes)| Command::copy(from, to, *bytes));
        self.gpu.run(&copies.collect::<Vec<_>>())?;
        Ok(second)
    }

    /// Reads a swapped cache, or else the live one, plane by plane in pieces of up to [`PIECE_BYTES`].
    ///
    /// # Errors
    /// Errors of `on_piece`; faults of the device.
    pub async fn read_planes(
        &self,
        swapped: Option<&SwappedKv>,
        n_tokens: usize,
        on_piece: &mut impl AsyncFnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut planes = self.planes(n_tokens);
        if let Some(swapped) = swapped {
            planes.iter_mut().zip(&swapped.planes).for_each(|(plane, from)| plane.0 = from);
        }
        let largest = planes.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default();
        let make = || Ok(self.gpu.staging("pieces of a session", largest.min(PIECE_BYTES)));
        let staging = self.gpu.in_scope("the staging of a session", make).await?;
        for (from, total) in planes {
            for offset in (0..total).step_by(PIECE_BYTES as usize) {
                let bytes = PIECE_BYTES.min(total - offset);
                let piece = Command::Copy { from, from_offset: offset, to: &staging, to_offset: 0, bytes };
                self.gpu.run(&[piece])?;
                let words: Vec<u32> = self.gpu.read_back(self.gpu.request(&staging, bytes), &staging).await?;
                on_piece(bytemuck::cast_slice(&words)).await?;
            }
        }
        Ok(())
    }

    /// Writes bytes of a plane of a swapped cache; offset and length are multiples of 4.
    ///
    /// # Errors
    /// Faults of the device.
    pub async fn write_plane(
        &self,
        swapped: &SwappedKv,
        plane: usize,
        offset: u64,
        bytes: &[u8],
    ) -> Result<()> {
        if let Some(buffer) = swapped.planes.get(plane) {
            self.gpu.write(buffer, offset, bytes);
        }
        if self.gpu.bytes_pending() >= PIECE_BYTES { self.gpu.flush().await } else { Ok(()) }
    }
}
