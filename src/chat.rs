//! Gemma turn format.
