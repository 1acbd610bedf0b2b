//! KV caches of waiting sessions on the CPU: each worker keeps a copy of its heads' slots in use.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::cpu::plan::{CacheId, Job, Plane, Reply};
use crate::cpu::team::{self, Team};
use crate::error::{Error, Result};
use crate::model::cpu::model::Model;

/// Bytes given out at a time.
const PIECE_BYTES: usize = 16 << 20;

/// KV cache of a waiting session. The workers free it when it is dropped.
#[derive(Debug)]
pub struct SwappedKv {
    id: u64,
    team: Rc<dyn Team>,
    bytes: u64,
    total: Rc<Cell<u64>>,
}

impl Drop for SwappedKv {
    fn drop(&mut self) {
        self.total.set(self.total.get() - self.bytes);
        for worker in 0..self.team.n_workers() {
            drop(self.team.send(worker, Job::Free { id: self.id }));
        }
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
    /// tokens. It is not that of a GPU, and does not depend on the number of workers.
    #[must_use]
    pub fn kv_layout(&self) -> Vec<u8> {
        let config = &self.config;
        let layer = |i| {
            // A slot of a global layer is its position, whatever the context is.
            let ring = config.window_of(i).map_or(0, |_| self.shape.n_slots(config, i));
            [ring, config.head_dim, self.shape.kv.bytes() as usize, config.n_kv_heads]
        };
        let numbers = (0..config.n_layers).flat_map(layer).flat_map(|n| (n as u64).to_le_bytes());
        b"cpu".iter().copied().chain(numbers).collect()
    }

    /// Bytes in use of each plane of the KV cache after `n_tokens` tokens.
    #[must_use]
    pub fn plane_bytes(&self, n_tokens: usize) -> Vec<u64> {
        let bytes = |plane: Plane| {
            let n_slots = n_tokens.min(self.shape.n_slots(&self.config, plane.cache.0));
            (n_slots * self.config.head_dim) as u64 * self.shape.kv.bytes()
        };
        self.planes().map(bytes).collect()
    }

    /// Keys and values of each layer and head.
    fn planes(&self) -> impl Iterator<Item = Plane> {
        let n_heads = self.config.n_kv_heads;
        let plane = move |cache, head, values| Plane { cache: CacheId(cache), head, values };
        (0..self.config.n_layers).flat_map(move |cache| {
            (0..n_heads).flat_map(move |head| [false, true].map(|values| plane(cache, head, values)))
        })
    }

    /// A copy that has a number but no bytes yet.
    fn numbered(&self, n_tokens: usize) -> SwappedKv {
        let id = self.next_copy.replace(self.next_copy.get() + 1);
        let plane = |plane_bytes: &[u64]| plane_bytes.iter().sum::<u64>();
        let per_head = plane(&self.plane_bytes(n_tokens)) / self.config.n_kv_heads as u64;
        let bytes = self.shares.iter().map(|share| share.kv_heads.len() as u64 * per_head).sum();
        self.swapped_bytes.set(self.swapped_bytes.get() + bytes);
        let (team, total) = (Rc::clone(&self.team), Rc::clone(&self.swapped_bytes));
        SwappedKv { id, team, bytes, total }
    }

    /// Allocates a swapped cache.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if a worker is gone.
    pub async fn allocate_swapped(&self, n_tokens: usize) -> Result<SwappedKv> {
        let swapped = self.numbered(n_tokens);
        self.all(&|_| Job::AllocateSwapped { id: swapped.id, n_tokens }).await?;
        Ok(swapped)
    }

    /// Copies the live KV cache out.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if a worker is gone.
    pub async fn swap_out(&self, n_tokens: usize) -> Result<SwappedKv> {
        let swapped = self.numbered(n_tokens);
        self.all(&|_| Job::SwapOut { id: swapped.id, n_tokens }).await?;
        Ok(swapped)
    }

    /// Copies a swapped cache back into the live one.
    pub fn swap_in(&self, swapped: &SwappedKv) {
        for worker in 0..self.shares.len() {
            // Jobs are done in order: a request that follows finds it.
            drop(self.team.send(worker, Job::SwapIn { id: swapped.id }));
        }
    }

    /// Copy of a swapped cache.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if a worker is gone.
    pub async fn duplicate(&self, swapped: &SwappedKv, n_tokens: usize) -> Result<SwappedKv> {
        let second = self.numbered(n_tokens);
        self.all(&|_| Job::Duplicate { from: swapped.id, to: second.id }).await?;
        Ok(second)
    }

    /// Reads a swapped cache, or else the live one, plane by plane in pieces.
    ///
    /// # Errors
    /// Errors of `on_piece`; [`Error::DeviceLost`] if a worker is gone.
    pub async fn read_planes(
        &self,
        swapped: Option<&SwappedKv>,
        n_tokens: usize,
        on_piece: &mut impl AsyncFnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let id = swapped.map(|swapped| swapped.id);
        for plane in self.planes() {
            let has = self.shares.iter().position(|share| share.kv_heads.contains(&plane.head));
            let answer = self.team.send(has.unwrap_or_default(), Job::ReadPlane { id, plane, n_tokens });
            let Reply::Bytes(bytes) = team::reply(answer).await? else {
                return Err(Error::Internal { what: "a worker sent no bytes".to_owned() });
            };
            for piece in bytes.chunks(PIECE_BYTES) {
                on_piece(piece).await?;
            }
        }
        Ok(())
    }

    /// Writes bytes of a plane of a swapped cache.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if a worker is gone.
    pub async fn write_plane(
        &self,
        swapped: &SwappedKv,
        plane: usize,
        offset: u64,
        bytes: &[u8],
    ) -> Result<()> {
        let Some(plane) = self.planes().nth(plane) else { return Ok(()) };
        let (bytes, offset): (Arc<[u8]>, usize) = (Arc::from(bytes), offset as usize);
        let job = |_| Job::WritePlane { id: swapped.id, plane, offset, bytes: Arc::clone(&bytes) };
        self.all(&job).await.map(drop)
    }
}
