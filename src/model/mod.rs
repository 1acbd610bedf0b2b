//! Gemma: its configuration, its tensors, its forward pass, and a model on a device.
//!
//! # The line between a Gemma and a device
//!
//! The files of this folder hold what is true of a Gemma on any device:
//!
//! - [`config`]: hyper-parameters; every difference between Gemmas is a value there,
//! - [`tensors`]: names and shapes of the tensors in the file,
//! - [`state_shape`]: context, chunk and type of the KV cache, and the sizes that follow for each layer,
//! - [`memory`]: the plan of bytes by purpose, with its verdict,
//! - [`prefill`]: the forward pass, from top to bottom; start here,
//! - [`reference`](mod@reference): the forward pass over the CPU twins of the kernels, the arbiter.
//!
//! The folder [`gpu`] holds what is true of one device: the weights in matrices, the buffers of the state,
//! the recorder of the forward pass's steps, the decode step (the forward pass fused for one token), plans,
//! variants, tuning, self-test, token ring and swapped KV caches. A second device gets a folder beside it.
//!
//! Two files outside [`gpu`] look across the line. [`reference`](mod@reference) consists of the kernels'
//! twins. [`prefill`] names the weights, the state and the recorder of [`gpu`], but uses only the steps of
//! the forward pass: with a second device, these types become its parameters. A device without fused kernels
//! computes one token as a prompt of one.
//!
//! [`Model`] is the surface that the engine uses. Its documentation lists it method by method, and says which
//! methods only a GPU has.

pub mod config;
pub mod gpu;
pub mod memory;
pub mod prefill;
pub mod reference;
pub mod state_shape;
pub mod tensors;

pub use config::Config;
pub use gpu::model::Model;
pub use gpu::options::ModelOptions;
