//! Metadata values in words, for errors and listings.

use super::value::{Array, Value};

/// Maximum characters of a string in a message.
const SHOWN: usize = 60;

impl Value {
    /// The type and, if short, the value: `the number 7`, `an array of 3 strings`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Unsigned(number) => format!("the number {number}"),
            Self::Signed(number) => format!("the number {number}"),
            Self::F32(number) => format!("the float {number}"),
            Self::F64(number) => format!("the float {number}"),
            Self::Bool(flag) => format!("the boolean {flag}"),
            Self::String(text) => match text.char_indices().nth(SHOWN) {
                Some((end, _)) => {
                    format!("the string {:?} and {} bytes more", &text[..end], text.len() - end)
                }
                None => format!("the string {text:?}"),
            },
            Self::Array(array) => format!("an array of {} {}", array.len(), array.type_name()),
        }
    }
}

impl Array {
    /// Type of the elements, in the plural.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::I32(_) | Self::U32(_) | Self::I64(_) | Self::U64(_) => "integers",
            Self::F32(_) => "32-bit floats",
            Self::F64(_) => "64-bit floats",
            Self::Bool(_) => "booleans",
            Self::Strings(_) => "strings",
        }
    }
}
