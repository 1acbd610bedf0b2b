//! Block formats: one file and one table row each. The bytes are ggml's, so a GGUF needs no conversion.
//!
//! On the GPU a matrix is stored in [`Plane`]s: the same bytes as in the file, regrouped once at load so that
//! quants are aligned `vec4<u32>` and scales are separate. Nothing is re-quantised.
//!
//! Layouts follow `ggml-common.h`, decoders `ggml-quants.c` (both in
//! <https://github.com/ggml-org/llama.cpp/tree/master/ggml/src>); numbers and names of types follow `ggml.h`.

mod float;
mod format;
mod iq4_nl;
mod iq4_xs;
mod k_scales;
mod kv_type;
mod names;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;

pub use float::{BF16, F16, F32};
pub use format::{Format, MAX_PLANES, Plane};
pub use iq4_nl::IQ4_NL;
pub use iq4_xs::IQ4_XS;
pub(crate) use k_scales::scale_min;
pub use kv_type::KvType;
pub use names::{mixture_name, type_name};
pub use q2_k::Q2_K;
pub use q3_k::Q3_K;
pub(crate) use q3_k::scale_of as scale_of_q3_k;
pub use q4_0::Q4_0;
pub use q4_1::Q4_1;
pub use q4_k::Q4_K;
pub use q5_0::Q5_0;
pub use q5_1::Q5_1;
pub use q5_k::Q5_K;
pub use q6_k::Q6_K;
pub use q8_0::Q8_0;

/// Every format this crate reads.
pub static FORMATS: [&Format; 15] = [
    &F32, &F16, &BF16, &Q8_0, &Q4_0, &Q4_1, &Q5_0, &Q5_1, &Q2_K, &Q3_K, &Q4_K, &Q5_K, &Q6_K, &IQ4_NL, &IQ4_XS,
];

/// The format with ggml type number `ggml_type`, if this crate reads it.
#[must_use]
pub fn by_ggml_type(ggml_type: u32) -> Option<&'static Format> {
    FORMATS.into_iter().find(|format| format.ggml_type == ggml_type)
}

#[cfg(test)]
mod tests {
    use super::{FORMATS, by_ggml_type, type_name};

    #[test]
    fn the_table_finds_every_format_by_its_number_and_name() {
        for format in FORMATS {
            assert_eq!(by_ggml_type(format.ggml_type), Some(format));
            assert_eq!(type_name(format.ggml_type), Some(format.name));
        }
        assert_eq!(by_ggml_type(16), None, "IQ2_XXS is known by name only");
    }

    #[test]
    fn planes_hold_every_byte_of_every_block_once() {
        for format in FORMATS {
            let blocks: Vec<u8> = (0..3 * format.block_bytes).map(|at| (at * 7 + at / 251) as u8).collect();
            let n_weights = 3 * format.block_len as u64;
            let mut total = 0;
            for (plane_ix, plane) in format.planes.iter().enumerate() {
                let mut packed = vec![0xee];
                format.repack(plane_ix, &blocks, &mut packed);
                assert_eq!(packed.len() as u64 - 1, format.plane_bytes(plane_ix, n_weights));
                total += packed.len() as u64 - 1;
                let len = plane.bytes.len();
                for block_ix in 0..3 {
                    let from = block_ix * format.block_bytes + plane.bytes.start;
                    assert_eq!(packed[1 + block_ix * len..][..len], blocks[from..from + len], "{format:?}");
                }
            }
            assert_eq!(total, format.bytes_of(n_weights), "{format:?}");
        }
    }

    #[test]
    fn a_plane_that_does_not_exist_is_empty() {
        let mut packed = Vec::new();
        super::Q4_K.repack(2, &[0; 144], &mut packed);
        assert!(packed.is_empty());
        assert_eq!(super::Q4_K.plane_bytes(2, 256), 0);
    }
}
