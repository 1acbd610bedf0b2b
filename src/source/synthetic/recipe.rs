//! Recipe of a synthetic model, and its name.

use core::fmt;

use super::mixture::Mixture;
use super::shapes::{self, Shape};
use crate::error::{Error, Result};

/// Prefix of a synthetic model's name in place of a file name.
pub const PREFIX: &str = "synthetic:";

/// Seed for a name without one.
const DEFAULT_SEED: u64 = 1;

/// Recipe of a model: `SHAPE:FORMAT`, or `SHAPE:FORMAT:SEED`.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    pub(super) shape: &'static Shape,
    pub(super) mixture: Mixture,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Recipe {
    /// Parses a name such as `gemma-2b:q4_0`, with or without [`PREFIX`] before it and a seed after it.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], which lists the valid names.
    pub fn parse(name: &str) -> Result<Self> {
        let mut parts = name.strip_prefix(PREFIX).unwrap_or(name).split(':');
        let mut part = || parts.next();
        let shape = part().and_then(|shape| shapes::SHAPES.iter().find(|s| s.name == shape));
        let mixture = part().and_then(Mixture::by_name);
        let seed = part().map_or(Some(DEFAULT_SEED), |seed| seed.parse().ok());
        match (shape, mixture, seed, part()) {
            (Some(shape), Some(mixture), Some(seed), None) => Ok(Self { shape, mixture, seed }),
            _ => {
                let expected = format!(
                    "SHAPE:FORMAT or SHAPE:FORMAT:SEED, with SHAPE one of {} and FORMAT one of {}",
                    shapes::SHAPES.map(|shape| shape.name).join(", "),
                    Mixture::ALL.map(Mixture::name).join(", ")
                );
                Err(Error::invalid_option("synthetic", format!("\"{name}\""), expected))
            }
        }
    }

    /// Every shape in every format.
    pub fn all() -> impl Iterator<Item = Self> {
        let seed = DEFAULT_SEED;
        let of_shape = move |shape| Mixture::ALL.map(|mixture| Self { shape, mixture, seed });
        shapes::SHAPES.iter().flat_map(of_shape)
    }
}

impl fmt::Display for Recipe {
    /// Formats as `gemma-2b:q4_0`, with the seed unless it is the default.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.shape.name, self.mixture.name())?;
        if self.seed == DEFAULT_SEED { Ok(()) } else { write!(f, ":{}", self.seed) }
    }
}
