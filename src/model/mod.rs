//! Hyper-parameters, weights, state, and the forward page: one for every Gemma.

pub mod adapter_record;
pub mod choices;
pub mod config;
pub mod decode;
pub mod forward;
pub mod load;
pub mod memory;
pub mod observe;
pub mod options;
pub mod parked;
pub mod profile;
pub mod reference;
pub mod runner;
pub mod self_test;
pub mod state;
pub mod tensors;
pub mod tuning;
pub mod weights;

pub use config::Config;
pub use options::ModelOptions;
pub use runner::Model;
