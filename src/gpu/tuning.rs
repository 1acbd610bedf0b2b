//! Variants of the kernels that suit an adapter: results agree within rounding, speed differs by several
//! times.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Arithmetic of the products of weights and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// Weights decoded to f32.
    F32,
    /// Activations as int8 codes with a scale for each sixteen, and `dot4I8Packed`.
    Int8,
}

/// Lanes that share four rows of a matrix in the decode kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lanes {
    /// One: for adapters that run workgroups on a CPU, where barriers are expensive.
    One,
    /// Thirty-two: for GPUs, where neighbouring lanes should read neighbouring bytes.
    ThirtyTwo,
}

impl Lanes {
    /// Rows that a workgroup computes.
    #[must_use]
    pub fn rows(self) -> u64 {
        match self {
            Self::One => 4 * 32,
            Self::ThirtyTwo => 4 * 8,
        }
    }

    /// Invocations of a workgroup of the attention over a prompt. On a GPU, the more of them share what they
    /// read, the better; drivers that run on the CPU take long to compile kernels with much workgroup memory.
    #[must_use]
    pub fn attention_lanes(self) -> usize {
        match self {
            Self::One => 32,
            Self::ThirtyTwo => 64,
        }
    }
}

/// A choice of variants; written `int8/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tuning {
    /// Arithmetic for formats that have codes; the others are always f32.
    pub arithmetic: Arithmetic,
    /// Lanes that share rows.
    pub lanes: Lanes,
}

impl Tuning {
    /// Every choice.
    pub const ALL: [Self; 4] = [
        Self { arithmetic: Arithmetic::F32, lanes: Lanes::One },
        Self { arithmetic: Arithmetic::F32, lanes: Lanes::ThirtyTwo },
        Self { arithmetic: Arithmetic::Int8, lanes: Lanes::One },
        Self { arithmetic: Arithmetic::Int8, lanes: Lanes::ThirtyTwo },
    ];

    /// Name of the choice, such as `int8/32`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.arithmetic, self.lanes) {
            (Arithmetic::F32, Lanes::One) => "f32/1",
            (Arithmetic::F32, Lanes::ThirtyTwo) => "f32/32",
            (Arithmetic::Int8, Lanes::One) => "int8/1",
            (Arithmetic::Int8, Lanes::ThirtyTwo) => "int8/32",
        }
    }
}

impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tuning {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::invalid_option("tuning", text, "f32/1, f32/32, int8/1 or int8/32");
        // Without lanes, which a CPU does not have, one lane: that runs on every adapter.
        let named = |t: &Self| t.name() == text || t.name().strip_suffix("/1") == Some(text);
        Self::ALL.into_iter().find(named).ok_or_else(unknown)
    }
}

impl TryFrom<String> for Tuning {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Tuning> for String {
    fn from(tuning: Tuning) -> Self {
        tuning.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuning_is_read_as_it_is_written() {
        for tuning in Tuning::ALL {
            assert_eq!(tuning.name().parse::<Tuning>().ok(), Some(tuning));
        }
        assert!(matches!("int4/1".parse::<Tuning>(), Err(Error::InvalidOption { .. })));
    }
}
