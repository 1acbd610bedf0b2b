//! Gemma: hyper-parameters, tensors, the page, and a model on a device.
//!
//! # The line between a Gemma and a device
//!
//! Files of this folder hold what is true of a Gemma on any device:
//!
//! - [`config`]: hyper-parameters; every difference between Gemmas is a value there,
//! - [`tensors`]: names and shapes of the tensors in the file,
//! - [`state_shape`]: context, chunk and type of the KV cache, and what follows from them for each layer,
//! - [`memory`]: the plan of bytes by purpose, with its verdict,
//! - [`prefill`]: the page, top to bottom,
//! - [`reference`]: the page over the CPU twins of the kernels, the arbiter.
//!
//! A folder holds what is true of one device. [`gpu`] has the weights in matrices, the buffers of the state,
//! the recorder of the page's steps, the decode step (the page fused for one token), plans, variants, tuning,
//! self-test, token ring and swapped KV caches. A second device gets a folder beside it.
//!
//! Outside [`gpu`], two files look across the line. [`reference`] is made of the kernels' twins. [`prefill`]
//! names the weights, the state and the recorder of [`gpu`]: it uses nothing of theirs but the steps of the
//! page, so that with a second device these types become its parameters. On a device without fused kernels,
//! one token is a prompt of one.
//!
//! [`Model`] is the surface that the engine uses; its documentation lists it method by method and says which
//! of them only a GPU has.

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
