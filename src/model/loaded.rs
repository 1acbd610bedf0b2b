//! A loaded model on either device.

use super::cpu::{self, kv_swap::SwappedKv as SwappedOnCpu, model::Processor};
use super::gpu::{self, AdapterInfo, kv_swap::SwappedKv as SwappedOnGpu};
use super::memory::{DeviceBytes, DeviceKind};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::model::config::Config;

/// A loaded model. Positions are fed in order; to start over, feed position 0 again.
///
/// The surface that the engine uses:
///
/// | | |
/// |---|---|
/// | facts | [`Model::config`], [`Model::context`], [`Model::bytes`] |
/// | prompt, chunk by chunk | [`Model::ready`], [`Model::next_chunk`], [`Model::feed_chunk`] |
/// | logits | [`Model::forward`] |
/// | evaluation | [`Model::logits_per_position`], [`Model::hidden_states`], [`Model::mean_hidden_state`] |
/// | KV cache in use | [`Model::can_return`], [`Model::kv_layout`], [`Model::plane_bytes`], [`Model::kv_bytes_read`] |
/// | KV caches swapped out | [`Model::swap_out`], [`Model::swap_in`], [`Model::duplicate`], [`Model::allocate_swapped`], [`Model::read_planes`], [`Model::write_plane`] |
/// | what only one device has | [`Model::gpu`], with the sampling of tokens; [`Model::processor`] |
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "without a box, a variant that cannot exist takes no code")]
pub enum Model {
    /// On the GPU.
    Gpu(Box<gpu::model::Model>),
    /// On the CPU.
    Cpu(cpu::model::Model),
}

/// KV cache of a waiting session.
#[derive(Debug)]
pub enum SwappedKv {
    /// In buffers of the GPU.
    Gpu(SwappedOnGpu),
    /// In the memory of the workers.
    Cpu(SwappedOnCpu),
}

/// The error of a swapped cache that belongs to another device.
fn of_another_device() -> Error {
    Error::Internal { what: "a KV cache belongs to another device".to_owned() }
}

impl Model {
    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceKind {
        match self {
            Self::Gpu(_) => DeviceKind::Gpu,
            Self::Cpu(_) => DeviceKind::Cpu,
        }
    }

    /// The model on the GPU, for what only a GPU has.
    #[must_use]
    pub fn gpu(&self) -> Option<&gpu::model::Model> {
        match self {
            Self::Gpu(model) => Some(model),
            Self::Cpu(_) => None,
        }
    }

    /// The processor, if the model runs there.
    #[must_use]
    pub fn processor(&self) -> Option<&Processor> {
        match self {
            Self::Gpu(_) => None,
            Self::Cpu(model) => Some(model.processor()),
        }
    }

    /// The adapter that was slower than the CPU, if the choice was left open.
    #[must_use]
    pub fn slow_adapter(&self) -> Option<&AdapterInfo> {
        match self {
            Self::Gpu(_) => None,
            Self::Cpu(model) => model.slow_adapter(),
        }
    }

    /// Hyper-parameters.
    #[must_use]
    pub fn config(&self) -> &Config {
        match self {
            Self::Gpu(model) => model.config(),
            Self::Cpu(model) => model.config(),
        }
    }

    /// Positions that fit.
    #[must_use]
    pub fn context(&self) -> usize {
        match self {
            Self::Gpu(model) => model.context(),
            Self::Cpu(model) => model.context(),
        }
    }

    /// Bytes of memory held on the device.
    #[must_use]
    pub fn bytes(&self) -> DeviceBytes {
        match self {
            Self::Gpu(model) => model.gpu_bytes(),
            Self::Cpu(model) => model.bytes(),
        }
    }

    /// Bytes of keys and values that a token at `position` reads.
    #[must_use]
    pub fn kv_bytes_read(&self, position: usize) -> u64 {
        match self {
            Self::Gpu(model) => model.kv_bytes_read(position),
            Self::Cpu(model) => model.kv_bytes_read(position),
        }
    }

    /// Prepares the feeding of `ids` from `position` on.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::ContextFull`], faults of the device.
    pub async fn ready(&self, ids: &[u32], position: usize) -> Result<()> {
        match self {
            Self::Gpu(model) => model.ready(ids, position).await,
            Self::Cpu(model) => model.ready(ids, position),
        }
    }

    /// Rows of the next chunk when `n_left` tokens are left; `None` if they are the last chunk, which
    /// [`Model::forward`] feeds.
    #[must_use]
    pub fn next_chunk(&self, n_left: usize) -> Option<usize> {
        match self {
            Self::Gpu(model) => model.next_chunk(n_left),
            Self::Cpu(model) => model.next_chunk(n_left),
        }
    }

    /// Feeds a chunk, as many `ids` as [`Model::next_chunk`] said, and waits for it.
    ///
    /// # Errors
    /// Faults of the device.
    pub async fn feed_chunk(&self, ids: &[u32], position: usize) -> Result<()> {
        match self {
            Self::Gpu(model) => model.feed_chunk(ids, position).await,
            Self::Cpu(model) => model.feed_chunk(ids, position).await,
        }
    }

    /// Feeds tokens from `position` on, and returns the logits `[V]` after the last.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::ContextFull`], [`Error::Aborted`] between chunks,
    /// [`Error::NumericError`], faults of the device.
    pub async fn forward(&self, ids: &[u32], position: usize, cancel: &Cancel) -> Result<Vec<f32>> {
        match self {
            Self::Gpu(model) => model.forward(ids, position, cancel).await,
            Self::Cpu(model) => model.forward(ids, position, cancel).await,
        }
    }

    /// Residual stream at the last position: after the embedding, after each block, after the output norm:
    /// `[L + 2][D]`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn hidden_states(&self, ids: &[u32], cancel: &Cancel) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Gpu(model) => model.hidden_states(ids, cancel).await,
            Self::Cpu(model) => model.hidden_states(ids, cancel).await,
        }
    }

    /// Mean over the positions of the residual stream after the output norm: `[D]`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn mean_hidden_state(&self, ids: &[u32], cancel: &Cancel) -> Result<Vec<f32>> {
        match self {
            Self::Gpu(model) => model.mean_hidden_state(ids, cancel).await,
            Self::Cpu(model) => model.mean_hidden_state(ids, cancel).await,
        }
    }

    /// Logits of every position but the last, given row by row to `on_row(index, logits)`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn logits_per_position(
        &self,
        ids: &[u32],
        cancel: &Cancel,
        on_row: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        match self {
            Self::Gpu(model) => model.logits_per_position(ids, cancel, on_row).await,
            Self::Cpu(model) => model.logits_per_position(ids, cancel, on_row).await,
        }
    }

    /// Whether position `n_tokens` can be fed next after `n_written` positions were written.
    #[must_use]
    pub fn can_return(&self, n_tokens: usize, n_written: usize) -> bool {
        match self {
            Self::Gpu(model) => model.can_return(n_tokens, n_written),
            Self::Cpu(model) => model.can_return(n_tokens, n_written),
        }
    }

    /// Layout of the bytes of a KV cache: everything that they depend on besides the model and the number of
    /// tokens.
    #[must_use]
    pub fn kv_layout(&self) -> Vec<u8> {
        match self {
            Self::Gpu(model) => model.kv_layout(),
            Self::Cpu(model) => model.kv_layout(),
        }
    }

    /// Bytes in use of each plane of the KV cache after `n_tokens` tokens.
    #[must_use]
    pub fn plane_bytes(&self, n_tokens: usize) -> Vec<u64> {
        match self {
            Self::Gpu(model) => model.plane_bytes(n_tokens),
            Self::Cpu(model) => model.plane_bytes(n_tokens),
        }
    }

    /// Allocates a swapped cache.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], faults of the device.
    pub async fn allocate_swapped(&self, n_tokens: usize) -> Result<SwappedKv> {
        Ok(match self {
            Self::Gpu(model) => SwappedKv::Gpu(model.allocate_swapped(n_tokens).await?),
            Self::Cpu(model) => SwappedKv::Cpu(model.allocate_swapped(n_tokens).await?),
        })
    }

    /// Copies the live KV cache out.
    ///
    /// # Errors
    /// As [`Model::allocate_swapped`].
    pub async fn swap_out(&self, n_tokens: usize) -> Result<SwappedKv> {
        Ok(match self {
            Self::Gpu(model) => SwappedKv::Gpu(model.swap_out(n_tokens).await?),
            Self::Cpu(model) => SwappedKv::Cpu(model.swap_out(n_tokens).await?),
        })
    }

    /// Copies a swapped cache back into the live one.
    ///
    /// # Errors
    /// Faults of the device.
    pub fn swap_in(&self, swapped: &SwappedKv, n_tokens: usize) -> Result<()> {
        match (self, swapped) {
            (Self::Gpu(model), SwappedKv::Gpu(swapped)) => model.swap_in(swapped, n_tokens),
            (Self::Cpu(model), SwappedKv::Cpu(swapped)) => {
                model.swap_in(swapped);
                Ok(())
            }
            _ => Err(of_another_device()),
        }
    }

    /// Copy of a swapped cache.
    ///
    /// # Errors
    /// As [`Model::allocate_swapped`].
    pub async fn duplicate(&self, swapped: &SwappedKv, n_tokens: usize) -> Result<SwappedKv> {
        match (self, swapped) {
            (Self::Gpu(model), SwappedKv::Gpu(swapped)) => {
                Ok(SwappedKv::Gpu(model.duplicate(swapped, n_tokens).await?))
            }
            (Self::Cpu(model), SwappedKv::Cpu(swapped)) => {
                Ok(SwappedKv::Cpu(model.duplicate(swapped, n_tokens).await?))
            }
            _ => Err(of_another_device()),
        }
    }

    /// Reads a swapped cache, or else the live one, plane by plane in pieces.
    ///
    /// # Errors
    /// Errors of `on_piece`; faults of the device.
    pub async fn read_planes(
        &self,
        swapped: Option<&SwappedKv>,
        n_tokens: usize,
        on_piece: &mut impl AsyncFnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        match (self, swapped) {
            (Self::Gpu(model), None) => model.read_planes(None, n_tokens, on_piece).await,
            (Self::Gpu(model), Some(SwappedKv::Gpu(swapped))) => {
                model.read_planes(Some(swapped), n_tokens, on_piece).await
            }
            (Self::Cpu(model), None) => model.read_planes(None, n_tokens, on_piece).await,
            (Self::Cpu(model), Some(SwappedKv::Cpu(swapped))) => {
                model.read_planes(Some(swapped), n_tokens, on_piece).await
            }
            _ => Err(of_another_device()),
        }
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
        match (self, swapped) {
            (Self::Gpu(model), SwappedKv::Gpu(swapped)) => {
                model.write_plane(swapped, plane, offset, bytes).await
            }
            (Self::Cpu(model), SwappedKv::Cpu(swapped)) => {
                model.write_plane(swapped, plane, offset, bytes).await
            }
            _ => Err(of_another_device()),
        }
    }
}
