//! Gemma: its configuration, its tensors, its forward pass, and a model on a device.
//!
//! # The line between a Gemma and a device
//!
//! The files of this folder hold what is true of a Gemma on any device:
//!
//! - [`config`]: hyper-parameters; every difference between Gemmas is a value there,
//! - [`tensors`]: names and shapes of the tensors in the file,
//! - [`state_shape`]: context, chunk and type of the KV cache, and the sizes that follow for each layer,
//! - [`memory`]: bytes by purpose, and the plan of them with its verdict,
//! - [`device`]: weights and state over the types of a device, and the steps that it records,
//! - [`prefill`]: the forward pass, from top to bottom; start here,
//! - [`reference`](mod@reference): the forward pass over the CPU twins of the kernels, the arbiter,
//! - [`options`], [`loading`], [`loaded`]: the choice of a device, and a model on either one.
//!
//! The folder [`gpu`] holds what is true of the GPU: the weights in matrices, the buffers of the state, the
//! recorder of the forward pass's steps, the decode step (the forward pass fused for one token), plans,
//! variants, tuning, self-test, token ring and swapped KV caches. The folder [`cpu`] holds what is true of the
//! CPU: shares of rows and heads for workers, and the recorder of their operations. It computes one token as a
//! prompt of one.
//!
//! [`Model`] is the surface that the engine uses. Its documentation lists it method by method.

pub mod config;
pub mod cpu;
pub mod device;
pub mod gpu;
pub mod loaded;
pub mod loading;
pub mod memory;
pub mod options;
pub mod prefill;
pub mod reference;
pub mod state_shape;
pub mod tensors;

pub use config::Config;
pub use loaded::Model;
pub use options::{DeviceChoice, ModelOptions};
