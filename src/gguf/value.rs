//! Metadata values. Small integer types are widened, so that callers need not know which one a converter
//! chose.

use super::caps;
use super::cursor::{Cursor, Read};

/// One metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `u8`, `u16`, `u32` or `u64`.
    Unsigned(u64),
    /// `i8`, `i16`, `i32` or `i64`.
    Signed(i64),
    /// A 32-bit float.
    F32(f32),
    /// A 64-bit float.
    F64(f64),
    /// A boolean.
    Bool(bool),
    /// A string.
    String(String),
    /// An array of one type. Arrays of arrays do not occur and are refused.
    Array(Array),
}

/// An array of metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum Array {
    /// `i8`, `i16`, `i32`, `u8` or `u16`.
    I32(Vec<i32>),
    /// `u32`.
    U32(Vec<u32>),
    /// `i64`.
    I64(Vec<i64>),
    /// `u64`.
    U64(Vec<u64>),
    /// `f32`.
    F32(Vec<f32>),
    /// `f64`.
    F64(Vec<f64>),
    /// `bool`.
    Bool(Vec<bool>),
    /// `string`.
    Strings(StringArray),
}

impl Array {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::I32(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Strings(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Many strings in one allocation: a vocabulary of 262144 as `Vec<String>` would cost 6 MB of pointers alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StringArray {
    text: String,
    /// End of each string in `text`.
    ends: Vec<u32>,
}

impl StringArray {
    /// Number of strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no strings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// String number `i`. Bytes that are not UTF-8 in the file are U+FFFD here.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<&str> {
        let end = *self.ends.get(i)? as usize;
        let start = if i == 0 { 0 } else { *self.ends.get(i - 1)? as usize };
        self.text.get(start..end)
    }

    /// All strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|i| self.get(i).unwrap_or_default())
    }
}

// The numbers of value types in a file.
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Reads a value: its type, then its bytes. `key` names it in errors.
pub(super) fn read_value(cursor: &mut Cursor<'_>, key: &str) -> Read<Value> {
    let kind = cursor.u32(key)?;
    Ok(match kind {
        0 => Value::Unsigned(u64::from(u8::from_le_bytes(cursor.array(key)?))),
        1 => Value::Signed(i64::from(i8::from_le_bytes(cursor.array(key)?))),
        2 => Value::Unsigned(u64::from(u16::from_le_bytes(cursor.array(key)?))),
        3 => Value::Signed(i64::from(i16::from_le_bytes(cursor.array(key)?))),
        4 => Value::Unsigned(u64::from(u32::from_le_bytes(cursor.array(key)?))),
        5 => Value::Signed(i64::from(i32::from_le_bytes(cursor.array(key)?))),
        6 => Value::F32(f32::from_le_bytes(cursor.array(key)?)),
        7 => {
            let [byte] = cursor.array(key)?;
            Value::Bool(bool_of(cursor, byte, key)?)
        }
        STRING => {
            let bytes = cursor.string_bytes(key, caps::STRING_BYTES)?;
            Value::String(String::from_utf8_lossy(bytes).into_owned())
        }
        ARRAY => Value::Array(read_array(cursor, key)?),
        10 => Value::Unsigned(u64::from_le_bytes(cursor.array(key)?)),
        11 => Value::Signed(i64::from_le_bytes(cursor.array(key)?)),
        12 => Value::F64(f64::from_le_bytes(cursor.array(key)?)),
        _ => return Err(cursor.malformed(key, format!("value type {kind} does not exist (0 to 12 do)"))),
    })
}

fn read_array(cursor: &mut Cursor<'_>, key: &str) -> Read<Array> {
    let kind = cursor.u32(key)?;
    let len = cursor.count(key, caps::ARRAY_LEN)?;
    Ok(match kind {
        0 => Array::I32(numbers(cursor, len, key, |b| i32::from(u8::from_le_bytes(b)))?),
        1 => Array::I32(numbers(cursor, len, key, |b| i32::from(i8::from_le_bytes(b)))?),
        2 => Array::I32(numbers(cursor, len, key, |b| i32::from(u16::from_le_bytes(b)))?),
        3 => Array::I32(numbers(cursor, len, key, |b| i32::from(i16::from_le_bytes(b)))?),
        4 => Array::U32(numbers(cursor, len, key, u32::from_le_bytes)?),
        5 => Array::I32(numbers(cursor, len, key, i32::from_le_bytes)?),
        6 => Array::F32(numbers(cursor, len, key, f32::from_le_bytes)?),
        7 => {
            let bytes = cursor.bytes(len, key)?;
            Array::Bool(bytes.iter().map(|&byte| bool_of(cursor, byte, key)).collect::<Read<_>>()?)
        }
        STRING => Array::Strings(strings(cursor, len, key)?),
        ARRAY => return Err(cursor.malformed(key, "an array of arrays, which no model file has".to_owned())),
        10 => Array::U64(numbers(cursor, len, key, u64::from_le_bytes)?),
        11 => Array::I64(numbers(cursor, len, key, i64::from_le_bytes)?),
        12 => Array::F64(numbers(cursor, len, key, f64::from_le_bytes)?),
        _ => return Err(cursor.malformed(key, format!("element type {kind} does not exist (0 to 12 do)"))),
    })
}

/// `len` numbers of `N` bytes each. Allocates only after the bytes have arrived.
fn numbers<T, const N: usize>(
    cursor: &mut Cursor<'_>,
    len: u64,
    key: &str,
    from_le_bytes: impl Fn([u8; N]) -> T,
) -> Read<Vec<T>> {
    let bytes = cursor.bytes(len.saturating_mul(N as u64), key)?;
    let (chunks, _) = bytes.as_chunks::<N>();
    Ok(chunks.iter().map(|chunk| from_le_bytes(*chunk)).collect())
}

/// `len` strings. Not all vocabularies are UTF-8 (byte pieces), so invalid bytes are replaced, not refused.
fn strings(cursor: &mut Cursor<'_>, len: u64, key: &str) -> Read<StringArray> {
    const LENGTH_BYTES: u64 = 8;
    let mut array = StringArray::default();
    for i in 0..len {
        // Every string has at least its length field. So a false count fails before memory is spent on it,
        // and a true one needs megabytes at once, not string by string.
        cursor.ensure((len - i) * LENGTH_BYTES, key)?;
        if i == 0 {
            array.ends.reserve_exact(len as usize);
        }
        let bytes = cursor.string_bytes(key, caps::STRING_BYTES)?;
        array.text.push_str(&String::from_utf8_lossy(bytes));
        let end = u32::try_from(array.text.len());
        array.ends.push(end.map_err(|_| cursor.malformed(key, "more than 4 GiB of text".to_owned()))?);
    }
    Ok(array)
}

/// The format allows only 0 and 1.
fn bool_of(cursor: &Cursor<'_>, byte: u8, key: &str) -> Read<bool> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(cursor.malformed(key, format!("boolean {byte}, which is neither 0 nor 1"))),
    }
}
