//! Fused matrices of a block: q, k and v as one matrix, gate and up as one.

use crate::error::{Error, Result};
use crate::gguf::Header;
use crate::gpu::{FusedMatrix, Limits, Slice};
use crate::model::tensors::{find, layer_name};

/// Matrices of one block; those that share an input are fused as far as their formats and the limits allow.
#[derive(Debug)]
pub(super) struct LayerMatrices {
    /// q, k and v: `[(H + 2K) C, D]`.
    pub qkv: Vec<FusedMatrix>,
    /// `[D, H * C]`.
    pub o: FusedMatrix,
    /// gate and up: `[2F, D]`.
    pub gate_up: Vec<FusedMatrix>,
    /// `[D, F]`.
    pub down: FusedMatrix,
}

/// A tensor as a matrix of its own.
pub(super) fn single(header: &Header, name: &str) -> Result<FusedMatrix> {
    let tensor = find(header, name)?;
    match tensor.shape.as_slice() {
        [n_cols, n_rows] => Ok(FusedMatrix {
            slices: vec![Slice { label: name.to_owned(), n_rows: *n_rows }],
            n_cols: *n_cols,
            format: tensor.format,
        }),
        _ => Err(Error::Internal { what: format!("\"{name}\" is no matrix") }),
    }
}

impl LayerMatrices {
    /// The matrices of block `i` on an adapter of these limits.
    pub(super) fn plan(header: &Header, limits: &Limits, i: usize) -> Result<Self> {
        let matrix = |name: &str| single(header, &layer_name(i, name));
        let join = |names: &[&str]| {
            let singles = names.iter().map(|name| matrix(name)).collect::<Result<_>>()?;
            FusedMatrix::join(limits, singles)
        };
        Ok(Self {
            qkv: join(&["attn_q", "attn_k", "attn_v"])?,
            o: matrix("attn_output")?,
            gate_up: join(&["ffn_gate", "ffn_up"])?,
            down: matrix("ffn_down")?,
        })
    }

    /// All matrices.
    pub(super) fn all(&self) -> impl Iterator<Item = &FusedMatrix> {
        self.qkv.iter().chain([&self.o]).chain(&self.gate_up).chain([&self.down])
    }
}
