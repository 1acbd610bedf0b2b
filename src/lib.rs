//! Google's Gemma from GGUF files, on the GPU or the processor, in the browser and natively.
//!
//! Data flows one way, and this is also the order in which to read the crate. Each module uses only modules
//! above it:
//!
//! - [`source`]: the bytes of a model, from a file, a server, a cache or a random generator,
//! - [`gguf`]: the container, with metadata and a table of tensors,
//! - [`quant`]: block formats, and their planes on the GPU,
//! - [`gpu`]: device, buffers, matrices and plans; everything that says wgpu,
//! - [`cpu`]: workers, matrices and plans of the processor; everything that says SIMD,
//! - [`kernels`]: one WGSL file each, with a CPU twin that states its result,
//! - [`model`]: a Gemma, with its configuration, prefill and decode step,
//! - [`sampler`]: from logits to one token,
//! - [`engine`]: requests and sessions, from a prompt to streamed text,
//! - [`bench`](mod@bench): a check of the results, then measurements,
//! - `web`: the boundary to JavaScript; natively the `gemma` command, in `src/bin/gemma`.
//!
//! Beside this line, [`tokenizer`] turns text into ids and back for the engine, and [`chat`] turns messages
//! into ids. Every module may use [`error`] and [`cancel`].
//!
//! [`engine::Engine::load`] is the entry: it takes a source and returns an engine, whose
//! [`respond`](engine::Engine::respond) answers a request. `src/README.md` has an example, the ways of a
//! weight, a token and an option, and a glossary.
//!
//! Shape letters, used in every doc comment: `T` tokens, `D` model width, `H` query heads, `K` key/value
//! heads, `C` head size, `F` feed-forward width, `V` vocabulary, `L` layers.

pub mod bench;
pub mod cancel;
pub mod chat;
pub mod cpu;
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
