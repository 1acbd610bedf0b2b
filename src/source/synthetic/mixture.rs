//! Formats of the tensors in a quantised file, as llama.cpp's `llama-quantize` chooses them
//! (`llama_tensor_get_type` in `llama-quant.cpp`).

use crate::quant::{self, Format};

/// A mixture of formats, by the name that file names end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mixture {
    Q4_0,
    Q4KM,
    Q8_0,
    F16,
}

/// Role of a tensor, as far as mixtures distinguish roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `token_embd`, which is also the logits matrix.
    Embedding,
    /// `attn_v` and `ffn_down` of layer `i`, which some mixtures quantise less than the rest.
    Sensitive(usize),
    /// Every other matrix.
    Plain,
    /// A vector.
    Norm,
}

impl Mixture {
    pub(super) const ALL: [Self; 4] = [Self::Q4_0, Self::Q4KM, Self::Q8_0, Self::F16];

    pub(super) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mixture| mixture.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "q4_0",
            Self::Q4KM => "q4_k_m",
            Self::Q8_0 => "q8_0",
            Self::F16 => "f16",
        }
    }

    /// `general.file_type`: llama.cpp's `llama_ftype`.
    pub(super) fn file_type(self) -> u32 {
        match self {
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
            Self::Q4KM => 15,
        }
    }

    /// The format of a tensor with rows of `row_len` weights, in a model of `n_layers` layers.
    pub(super) fn format(self, role: Role, row_len: u64, n_layers: usize) -> &'static Format {
        let wanted = match (self, role) {
            (_, Role::Norm) => &quant::F32,
            (Self::F16, _) => &quant::F16,
            (Self::Q8_0, _) => &quant::Q8_0,
            (_, Role::Embedding) => &quant::Q6_K,
            (Self::Q4_0, _) => &quant::Q4_0,
            (Self::Q4KM, Role::Sensitive(i)) if more_bits(i, n_layers) => &quant::Q6_K,
            (Self::Q4KM, _) => &quant::Q4_K,
        };
        if row_len.is_multiple_of(wanted.block_len as u64) {
            return wanted;
        }
        // Blocks do not cross rows.
        if *wanted == quant::Q4_K { &quant::Q5_0 } else { &quant::Q8_0 }
    }
}

/// llama.cpp's `use_more_bits`: the first and the last eighth of the layers, and every third one between.
fn more_bits(i: usize, n_layers: usize) -> bool {
    let eighth = n_layers / 8;
    i < eighth || i >= 7 * n_layers / 8 || (i - eighth) % 3 == 2
}

#[cfg(test)]
mod tests {
    use super::{Mixture, Role, more_bits};
    use crate::quant::{F16, F32, Q4_0, Q4_K, Q5_0, Q6_K, Q8_0};

    #[test]
    fn some_layers_have_more_bits() {
        let finer: Vec<usize> = (0..18).filter(|i| more_bits(*i, 18)).collect();
        assert_eq!(finer, [0, 1, 4, 7, 10, 13, 15, 16, 17]);
    }

    #[test]
    fn rows_that_are_no_whole_blocks_fall_back() {
        let format = |mixture: Mixture, role, row_len| mixture.format(role, row_len, 18);
        let q4_k_m = [
            (Role::Embedding, 2048, &Q6_K),
            (Role::Embedding, 640, &Q8_0),
            (Role::Plain, 2048, &Q4_K),
            (Role::Plain, 640, &Q5_0),
            (Role::Sensitive(0), 640, &Q8_0),
            (Role::Sensitive(2), 640, &Q5_0),
            (Role::Sensitive(2), 2048, &Q4_K),
            (Role::Norm, 640, &F32),
        ];
        for (role, row_len, expected) in q4_k_m {
            assert_eq!(format(Mixture::Q4KM, role, row_len), expected, "{role:?} {row_len}");
        }
        assert_eq!(format(Mixture::Q4_0, Role::Sensitive(0), 640), &Q4_0);
        assert_eq!(format(Mixture::Q4_0, Role::Embedding, 1152), &Q8_0);
        assert_eq!(format(Mixture::F16, Role::Embedding, 1152), &F16);
    }
}
