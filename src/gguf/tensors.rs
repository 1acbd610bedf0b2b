//! Tensor table: names, shapes, formats and offsets.

use std::collections::BTreeSet;

use super::caps;
use super::cursor::{Cursor, Read};
use crate::error::{Error, Result};
use crate::quant::{self, FORMATS, Format};

/// One row of the tensor table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name, for instance `blk.0.attn_q.weight`.
    pub name: String,
    /// The shape, innermost dimension first; 1 to 4 dimensions, none of them 0.
    pub shape: Vec<u64>,
    /// Block format of the weights. The innermost dimension is a multiple of its block length.
    pub format: &'static Format,
    /// Offset of the first byte in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub bytes: u64,
}

/// Reads `n_tensors` rows. Offsets are still relative to the tensor data.
pub(super) fn read_tensors(cursor: &mut Cursor<'_>, n_tensors: u64) -> Read<Vec<TensorInfo>> {
    let mut tensors = Vec::new();
    let mut names = BTreeSet::new();
    for i in 0..n_tensors {
        let at = cursor.at();
        let name = cursor.string(&format!("name of tensor {i} of {n_tensors}"), caps::NAME_BYTES)?;
        if !names.insert(name) {
            return Err(malformed(name, at, "the name occurs twice".to_owned()).into());
        }
        tensors.push(read_tensor(cursor, name, at)?);
    }
    Ok(tensors)
}

fn read_tensor(cursor: &mut Cursor<'_>, name: &str, at: u64) -> Read<TensorInfo> {
    let n_dims = cursor.u32(name)?;
    if !(1..=caps::DIMS).contains(&n_dims) {
        return Err(
            malformed(name, at, format!("{n_dims} dimensions, 1 to {} are allowed", caps::DIMS)).into()
        );
    }
    let mut shape = Vec::with_capacity(n_dims as usize);
    for _ in 0..n_dims {
        shape.push(cursor.u64(name)?);
    }
    let format = format_of(name, cursor.u32(name)?)?;
    let n_weights = shape.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
    let Some(n_weights) = n_weights.filter(|n_weights| (1..=caps::WEIGHTS).contains(n_weights)) else {
        let why = format!("shape {shape:?} has no weights, or more than the cap of {}", caps::WEIGHTS);
        return Err(malformed(name, at, why).into());
    };
    let (row_len, block_len) = (shape[0], format.block_len as u64);
    if !row_len.is_multiple_of(block_len) {
        let why = format!(
            "rows of {row_len} are no multiple of the {block_len} weights of a {} block",
            format.name
        );
        return Err(malformed(name, at, why).into());
    }
    let offset = cursor.u64(name)?;
    Ok(TensorInfo { name: name.to_owned(), shape, format, offset, bytes: format.bytes_of(n_weights) })
}

fn format_of(tensor: &str, ggml_type: u32) -> Result<&'static Format> {
    quant::by_ggml_type(ggml_type).ok_or_else(|| Error::UnsupportedTensorType {
        tensor: tensor.to_owned(),
        found: quant::type_name(ggml_type).map_or_else(|| format!("ggml type {ggml_type}"), str::to_owned),
        supported: FORMATS.map(|format| format.name).join(", "),
    })
}

/// Makes offsets absolute, and checks that the tensors are aligned, do not overlap and lie inside the file.
pub(super) fn place(
    tensors: &mut [TensorInfo],
    alignment: u64,
    data_start: u64,
    file_len: Option<u64>,
) -> Result<()> {
    for tensor in &mut *tensors {
        if !tensor.offset.is_multiple_of(alignment) {
            let why = format!("offset {} is no multiple of the alignment {alignment}", tensor.offset);
            return Err(malformed(&tensor.name, data_start, why));
        }
        let end = tensor.offset.checked_add(data_start).and_then(|start| start.checked_add(tensor.bytes));
        let Some(end) = end else {
            let why = format!("offset {} is beyond any file", tensor.offset);
            return Err(malformed(&tensor.name, data_start, why));
        };
        if let Some(has) = file_len.filter(|file_len| end > *file_len) {
            return Err(Error::Truncated { what: format!("tensor \"{}\"", tensor.name), needs: end, has });
        }
        tensor.offset += data_start;
    }
    let mut by_offset: Vec<&TensorInfo> = tensors.iter().collect();
    by_offset.sort_unstable_by_key(|tensor| tensor.offset);
    for pair in by_offset.windows(2) {
        let [first, second] = pair else { continue };
        if first.offset + first.bytes > second.offset {
            let why = format!("overlaps tensor \"{}\"", first.name);
            return Err(malformed(&second.name, second.offset, why));
        }
    }
    Ok(())
}

fn malformed(tensor: &str, at: u64, why: String) -> Error {
    Error::Malformed { what: format!("tensor \"{tensor}\""), at, why }
}
