//! Google's Gemma from GGUF files, on the GPU, in the browser and natively.
//!
//! Data flows one way, and this is also the order to read the crate in:
//!
//! `source` (files, servers, caches) → [`gguf`] (the container) → [`quant`] (block formats, planes) → [`gpu`]
//! (device, buffers, matrices, plans) → [`kernels`] (one WGSL file each, with a CPU twin) → [`model`] (a
//! Gemma: configuration, prefill, decode) → [`sampler`] → [`engine`] (requests and sessions; text and ids by
//! [`tokenizer`] and [`chat`]) → [`bench`] → `web` and the `gemma` command.
//!
//! `src/README.md` has the picture, the ways of a weight, a token and an option, and a glossary.
//!
//! Shape letters, used in every doc comment: `T` tokens, `D` model width, `H` query heads, `K` key/value
//! heads, `C` head size, `F` feed-forward width, `V` vocabulary, `L` layers.

pub mod bench;
pub mod cancel;
pub mod chat;
pub mod engine;
pub mod error;
pub mod gguf;
pub mod gpu;
pub mod kernels;
pub mod model;
pub mod quant;
pub mod sampler;
pub mod source;
pub mod tokenizer;
#[cfg(target_arch = "wasm32")]
pub mod web;

pub use cancel::Cancel;
pub use error::{Error, Result};
