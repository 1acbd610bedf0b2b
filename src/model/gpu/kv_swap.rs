//! KV caches of conversations that wait: the slots in use of every layer, copied out of the one cache that runs and back into it.

use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Kind, KvCache, Work};
use crate::model::Model;

/// Bytes that are written or read at a time.
pub const PIECE_BYTES: u64 = 16 << 20;

/// A KV cache that waits: keys and values of each layer and part, as they lie.
#[derive(Debug)]
pub struct Parked {
    planes: Vec<Buffer>,
}

impl Parked {
    fn allocate(gpu: &Gpu, sizes: &[u64]) -> Self {
        let plane = |bytes: &u64| gpu.store(Kind::Sessions, "parked keys or values", *bytes);
        Self { planes: sizes.iter().map(plane).collect() }
    }
}

impl Model {
    /// Whether position `n_tokens` can be fed next where `n_written` positions were written: local layers keep little more than
    /// their window.
    #[must_use]
    pub fn can_return(&self, n_tokens: usize, n_written: usize) -> bool {
        self.state.kv.iter().enumerate().all(|(i, cache)| {
            let n_slots = cache.shape.n_slots;
            // The oldest key that position `n_tokens` sees must not have been overwritten by one a whole ring later.
            self.config.window_of(i).is_none_or(|window| {
                n_written <= n_slots || n_written - n_tokens.min(n_written) + window <= n_slots + 1
            })
        })
    }

    /// Everything that the bytes of a KV cache depend on besides the model and how much of it is in use.
    #[must_use]
    pub fn kv_layout(&self) -> Vec<u8> {
        let layer = |(i, cache): (usize, &KvCache)| {
            // A global layer's slots are its positions, however many there is room for.
            let ring = self.config.window_of(i).map_or(0, |_| cache.shape.n_slots);
            let parts = cache.parts.iter().map(|part| part.n_heads);
            let numbers =
                [ring, cache.shape.head_len, cache.shape.kv.bytes() as usize].into_iter().chain(parts);
            numbers.flat_map(|n| (n as u64).to_le_bytes()).collect::<Vec<u8>>()
        };
        self.state.kv.iter().enumerate().flat_map(layer).collect()
    }

    /// Bytes of each plane of the KV cache that so many tokens use. Where they are fewer than a ring has slots, they are its first.
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

    /// Room for a KV cache that waits.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub async fn allocate_parked(&self, n_tokens: usize) -> Result<Parked> {
        let sizes = self.plane_bytes(n_tokens);
        self.gpu.checked("the KV cache of a session", || Ok(Parked::allocate(&self.gpu, &sizes))).await
    }

    /// Copies the KV cache away.
    ///
    /// # Errors
    /// As [`Model::allocate_parked`]; faults of the device.
    pub async fn park(&self, n_tokens: usize) -> Result<Parked> {
        let parked = self.allocate_parked(n_tokens).await?;
        let planes = self.planes(n_tokens);
        let copies = planes.iter().zip(&parked.planes).map(|((plane, bytes), to)| copy(plane, to, *bytes));
        self.gpu.run_works(&copies.collect::<Vec<_>>())?;
        Ok(parked)
    }

    /// Copies a KV cache back to where it runs.
    ///
    /// # Errors
    /// Faults of the device.
    pub fn unpark(&self, parked: &Parked, n_tokens: usize) -> Result<()> {
        let planes = self.planes(n_tokens);
        let copies =
            planes.iter().zip(&parked.planes).map(|((plane, bytes), from)| copy(from, plane, *bytes));
        self.gpu.run_works(&copies.collect::<Vec<_>>())
    }

    /// A second one of a KV cache that waits.
    ///
    /// # Errors
    /// As [`Model::park`].
    pub async fn duplicate(&self, parked: &Parked, n_tokens: usize) -> Result<Parked> {
        let second = self.allocate_parked(n_tokens).await?;
        let sizes = self.plane_bytes(n_tokens);
        let planes = parked.planes.iter().zip(&second.planes).zip(&sizes);
        let copies = planes.map(|((from, to), bytes)| copy(from, to, *bytes));
        self.gpu.run_works(&copies.collect::<Vec<_>>())?;
        Ok(second)
    }

    /// Reads a KV cache plane by plane, in pieces of up to [`PIECE_BYTES`]: the one that waits, or else the one that runs.
    ///
    /// # Errors
    /// Those of `on_piece`; faults of the device.
    pub async fn read_planes(
        &self,
        parked: Option<&Parked>,
        n_tokens: usize,
        on_piece: &mut impl AsyncFnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut planes = self.planes(n_tokens);
        if let Some(parked) = parked {
            planes.iter_mut().zip(&parked.planes).for_each(|(plane, from)| plane.0 = from);
        }
        let largest = planes.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default();
        let make = || Ok(self.gpu.staging("pieces of a session", largest.min(PIECE_BYTES)));
        let staging = self.gpu.checked("the staging of a session", make).await?;
        for (from, total) in planes {
            for offset in (0..total).step_by(PIECE_BYTES as usize) {
                let bytes = PIECE_BYTES.min(total - offset);
                self.gpu.run_works(&[Work::Copy { from, offset, to: &staging, bytes }])?;
                let words: Vec<u32> = self.gpu.read_back(self.gpu.request(&staging, bytes), &staging).await?;
                on_piece(bytemuck::cast_slice(&words)).await?;
            }
        }
        Ok(())
    }

    /// Writes bytes of a plane of a KV cache that waits; offset and length are multiples of 4.
    ///
    /// # Errors
    /// Faults of the device.
    pub async fn write_plane(&self, parked: &Parked, plane: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        if let Some(buffer) = parked.planes.get(plane) {
            self.gpu.write(buffer, offset, bytes);
        }
        if self.gpu.bytes_pending() >= PIECE_BYTES { self.gpu.flush().await } else { Ok(()) }
    }
}

fn copy<'a>(from: &'a Buffer, to: &'a Buffer, bytes: u64) -> Work<'a> {
    Work::Copy { from, offset: 0, to, bytes }
}
