//! Sampling of a token on the GPU: `ids[0]` from `logits [V]`. Its CPU twin is [`crate::sampler`]'s `choose`.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::gpu::buffer::UNIFORM_BYTES;
use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Buffer, Dispatch, Extent, Gpu, Grid, Kernel, MemoryKind, Plan};

/// `shaders/sample.wgsl`.
pub static KERNEL: Kernel = Kernel { name: "sample", wgsl: include_str!("../../shaders/sample.wgsl") };

/// Maximum number of tokens that the kernel draws from.
pub const MAX_TOP_K: usize = 64;
/// Maximum number of tokens whose logits may be biased.
pub const MAX_BIASES: usize = 256;
/// Number of tokens at the end of the text that penalties count, and of chosen tokens that are kept for
/// reading back.
pub const RECENT: usize = 64;
/// Logits that one value of `block_max` stands for.
pub const BLOCK_LEN: usize = 32;
/// Result if a logit is NaN or infinite, or all are -infinity.
pub const NO_ID: u32 = u32::MAX;

/// GPU memory of a [`SamplerState`], for the memory plan.
pub const STATE_BYTES: u64 = UNIFORM_BYTES + 8 * MAX_BIASES as u64 + 4 * RECENT as u64;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n_vocab: u32,
    n_blocks: u32,
}

/// Settings of a generation, as the kernel reads them: everything that a choice depends on besides logits,
/// biases and text.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Settings {
    /// 1 / temperature, finite; not read if `top_k` is 1.
    pub inverse_temperature: f32,
    /// 1, the likeliest token, to [`MAX_TOP_K`].
    pub top_k: u32,
    /// As in `Sampling`.
    pub top_p: f32,
    /// As in `Sampling`.
    pub min_p: f32,
    /// The repetition penalty.
    pub repetition: f32,
    /// 1 / repetition penalty.
    pub inverse_repetition: f32,
    /// The frequency penalty.
    pub frequency: f32,
    /// The presence penalty.
    pub presence: f32,
    /// 0 if the penalties change nothing.
    pub penalises: u32,
    /// Number of biases, at most [`MAX_BIASES`].
    pub n_biases: u32,
    /// The seed, hashed; the position is added to it.
    pub seed_hash: u32,
    /// Padding to a multiple of 16 bytes.
    pub pad: u32,
}

/// State that the kernel keeps from step to step. It is allocated once; [`SamplerState::begin`] starts a
/// generation.
#[derive(Debug)]
pub struct SamplerState {
    settings: Buffer,
    /// `[MAX_BIASES]` of (id, f32).
    biases: Buffer,
    /// `[RECENT]` u32: the token at text position p lies in p % [`RECENT`], so the kernel's choices can be
    /// read back from here up to [`RECENT`] steps later, each 4 bytes at [`recent_offset`].
    pub recent: Buffer,
}

impl SamplerState {
    /// # Errors
    /// [`crate::Error::LimitTooLow`] if the adapter's limits are below a few kilobytes.
    pub fn allocate(gpu: &Gpu) -> Result<Self> {
        Ok(Self {
            settings: gpu.uniform("sample settings", &[]),
            biases: gpu.storage(MemoryKind::Scratch, "sample biases", 8 * MAX_BIASES as u64)?,
            recent: gpu.storage(MemoryKind::Scratch, "sample recent", 4 * RECENT as u64)?,
        })
    }

    /// Prepares the sampling of the token after `text` and of those that follow: call it once per generation,
    /// before the first run. `biases` are added to the logits of their tokens: `settings.n_biases` of them,
    /// ids below V.
    pub fn begin(&self, gpu: &Gpu, settings: &Settings, biases: &BTreeMap<u32, f32>, text: &[u32]) {
        gpu.write(&self.settings, 0, bytemuck::bytes_of(settings));
        let words = |(id, bias): (&u32, &f32)| [*id, bias.to_bits()];
        let biases: Vec<[u32; 2]> = biases.iter().take(MAX_BIASES).map(words).collect();
        if !biases.is_empty() {
            gpu.write(&self.biases, 0, bytemuck::cast_slice(&biases));
        }
        let mut recent = [NO_ID; RECENT];
        let window = text.len().saturating_sub(RECENT);
        for (position, id) in text.iter().enumerate().skip(window) {
            if let Some(slot) = recent.get_mut(position % RECENT) {
                *slot = *id;
            }
        }
        gpu.write(&self.recent, 0, bytemuck::cast_slice(&recent));
    }
}

/// Offset in [`SamplerState::recent`] of the token at a text position, in bytes.
#[must_use]
pub fn recent_offset(position: usize) -> u64 {
    4 * (position % RECENT) as u64
}

/// Samples from `logits [n_vocab]`, which belong to the last row of the run, into `ids[0]`.
/// `block_max [ceil(V / 32)]` holds the largest of each 32 logits; infinity or NaN if some of them are not
/// finite, and then the result is [`NO_ID`]. Biases and penalties change both buffers.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    state: &SamplerState,
    logits: &Buffer,
    block_max: &Buffer,
    ids: &Buffer,
    n_vocab: usize,
) {
    let params = Params { n_vocab: n_vocab as u32, n_blocks: n_vocab.div_ceil(BLOCK_LEN) as u32 };
    plan.add(
        gpu,
        "sample",
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Plain,
            params: bytemuck::bytes_of(&params),
            bindings: &[logits, block_max, &state.settings, &state.biases, &state.recent, ids],
            extra: ExtraBindings::None,
            grid: Grid { x: (Extent::Fixed(1), 1), y: (Extent::Fixed(1), 1) },
        },
    );
}

/// Twin of `block_max` for `logits`, of which some may be forbidden (-infinity): the largest of each block,
/// infinity if one is NaN or infinite.
#[must_use]
pub fn block_max(logits: &[f32]) -> Vec<f32> {
    let larger = |a: f32, b: &f32| if b.is_nan() { f32::INFINITY } else { a.max(*b) };
    logits.chunks(BLOCK_LEN).map(|block| block.iter().fold(f32::NEG_INFINITY, larger)).collect()
}
