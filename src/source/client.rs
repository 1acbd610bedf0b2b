//! The network natively.
