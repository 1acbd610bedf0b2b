//! Key-value part of a header, with getters whose errors name the expected type.

use std::collections::BTreeMap;

use super::caps;
use super::cursor::{Cursor, Read};
use super::value::{Array, StringArray, Value, read_value};
use crate::error::{Error, Result};

/// Metadata by key. Getters accept every type that holds the value: converters disagree about integer widths.
///
/// The plain getters fail with [`Error::MissingKey`] if the key is absent, the `opt_` ones return `None`;
/// both fail with [`Error::BadKey`] if the value has another type or does not fit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(BTreeMap<String, Value>);

const INTEGER: &str = "an integer from 0 to 4294967295";
const FLOAT: &str = "a float";
const STRING: &str = "a string";
const BOOL: &str = "a boolean";
const STRINGS: &str = "an array of strings";
const F32S: &str = "an array of 32-bit floats";
const I32S: &str = "an array of integers of 32 bits";
const BOOLS: &str = "an array of booleans";

impl Metadata {
    /// The value of a key, whatever its type.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Keys and values in alphabetical order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// A non-negative integer.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn u32(&self, key: &str) -> Result<u32> {
        required(key, INTEGER, self.opt_u32(key))
    }

    /// A non-negative integer, if the key exists.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn opt_u32(&self, key: &str) -> Result<Option<u32>> {
        self.optional(key, INTEGER, |value| match value {
            Value::Unsigned(number) => u32::try_from(*number).ok(),
            Value::Signed(number) => u32::try_from(*number).ok(),
            _ => None,
        })
    }

    /// A float.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn f32(&self, key: &str) -> Result<f32> {
        required(key, FLOAT, self.opt_f32(key))
    }

    /// A float, if the key exists.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn opt_f32(&self, key: &str) -> Result<Option<f32>> {
        self.optional(key, FLOAT, |value| match value {
            Value::F32(number) => Some(*number),
            Value::F64(number) => Some(*number as f32),
            _ => None,
        })
    }

    /// A string.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn str(&self, key: &str) -> Result<&str> {
        required(key, STRING, self.opt_str(key))
    }

    /// A string, if the key exists.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn opt_str(&self, key: &str) -> Result<Option<&str>> {
        self.optional(
            key,
            STRING,
            |value| {
                if let Value::String(text) = value { Some(text.as_str()) } else { None }
            },
        )
    }

    /// A boolean, if the key exists.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn opt_bool(&self, key: &str) -> Result<Option<bool>> {
        self.optional(key, BOOL, |value| if let Value::Bool(flag) = value { Some(*flag) } else { None })
    }

    /// An array of strings.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn strings(&self, key: &str) -> Result<&StringArray> {
        required(key, STRINGS, self.opt_strings(key))
    }

    /// An array of strings, if the key exists.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn opt_strings(&self, key: &str) -> Result<Option<&StringArray>> {
        self.optional(key, STRINGS, |value| match value {
            Value::Array(Array::Strings(array)) => Some(array),
            _ => None,
        })
    }

    /// An array of 32-bit floats.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn f32s(&self, key: &str) -> Result<&[f32]> {
        required(key, F32S, self.opt_f32s(key))
    }

    /// An array of 32-bit floats, if the key exists.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn opt_f32s(&self, key: &str) -> Result<Option<&[f32]>> {
        self.optional(key, F32S, |value| match value {
            Value::Array(Array::F32(array)) => Some(array.as_slice()),
            _ => None,
        })
    }

    /// An array of integers that all fit in 32 bits.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn i32s(&self, key: &str) -> Result<Vec<i32>> {
        required(key, I32S, self.opt_i32s(key))
    }

    /// An array of integers that all fit in 32 bits, if the key exists.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn opt_i32s(&self, key: &str) -> Result<Option<Vec<i32>>> {
        self.optional(key, I32S, |value| match value {
            Value::Array(Array::I32(array)) => Some(array.clone()),
            Value::Array(Array::U32(array)) => {
                array.iter().map(|number| i32::try_from(*number).ok()).collect()
            }
            Value::Array(Array::I64(array)) => {
                array.iter().map(|number| i32::try_from(*number).ok()).collect()
            }
            Value::Array(Array::U64(array)) => {
                array.iter().map(|number| i32::try_from(*number).ok()).collect()
            }
            _ => None,
        })
    }

    /// An array of booleans, if the key exists.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn opt_bools(&self, key: &str) -> Result<Option<&[bool]>> {
        self.optional(key, BOOLS, |value| match value {
            Value::Array(Array::Bool(array)) => Some(array.as_slice()),
            _ => None,
        })
    }

    fn optional<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.0.get(key) else {
            return Ok(None);
        };
        convert(value).map(Some).ok_or_else(|| Error::BadKey {
            key: key.to_owned(),
            expected: expected.to_owned(),
            found: value.describe(),
        })
    }
}

fn required<T>(key: &str, expected: &'static str, found: Result<Option<T>>) -> Result<T> {
    found?.ok_or_else(|| Error::MissingKey { key: key.to_owned(), expected })
}

/// Reads `n_keys` keys and their values.
pub(super) fn read_metadata(cursor: &mut Cursor<'_>, n_keys: u64) -> Read<Metadata> {
    let mut metadata = Metadata::default();
    for i in 0..n_keys {
        let at = cursor.at();
        let key = cursor.string(&format!("metadata key {i} of {n_keys}"), caps::KEY_BYTES)?;
        let value = read_value(cursor, key)?;
        if metadata.0.insert(key.to_owned(), value).is_some() {
            let why = "the key occurs twice".to_owned();
            return Err(Error::Malformed { what: key.to_owned(), at, why }.into());
        }
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::{Array, Metadata, StringArray, Value};
    use crate::Error;

    fn metadata() -> Metadata {
        let array = |array| Value::Array(array);
        Metadata(
            [
                ("small", Value::Unsigned(7)),
                ("signed", Value::Signed(7)),
                ("negative", Value::Signed(-1)),
                ("large", Value::Unsigned(1 << 32)),
                ("float", Value::F32(0.5)),
                ("double", Value::F64(0.25)),
                ("text", Value::String("a".repeat(1000))),
                ("flag", Value::Bool(true)),
                ("i64s", array(Array::I64(vec![-1, 5]))),
                ("u64s", array(Array::U64(vec![1 << 31]))),
                ("strings", array(Array::Strings(StringArray::default()))),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
        )
    }

    #[test]
    fn integers_of_any_type_are_taken_if_they_fit() {
        let metadata = metadata();
        assert_eq!(metadata.u32("small").unwrap(), 7);
        assert_eq!(metadata.u32("signed").unwrap(), 7);
        assert_eq!(metadata.f32("double").unwrap(), 0.25);
        assert_eq!(metadata.i32s("i64s").unwrap(), [-1, 5]);
        for key in ["negative", "large", "float", "text", "strings"] {
            assert!(matches!(metadata.opt_u32(key), Err(Error::BadKey { .. })), "{key}");
        }
        assert!(matches!(metadata.i32s("u64s"), Err(Error::BadKey { .. })));
    }

    #[test]
    fn absent_keys_are_none_or_named() {
        let metadata = metadata();
        assert_eq!(metadata.opt_str("absent").unwrap(), None);
        assert_eq!(metadata.opt_bool("absent").unwrap(), None);
        let message = metadata.strings("absent").unwrap_err().to_string();
        assert!(message.contains("\"absent\"") && message.contains("array of strings"), "{message}");
    }

    #[test]
    fn a_wrong_type_is_described_in_short() {
        let message = metadata().f32("text").unwrap_err().to_string();
        assert!(
            message.contains("a float") && message.contains("the string \"aaa") && message.len() < 300,
            "{message}"
        );
    }
}
