//! Numbers and weights that look random and are the same in every run.

use crate::quant::Format;

/// Generator of the numbers.
#[derive(Debug)]
pub(super) struct Numbers(u32);

impl Numbers {
    pub(super) fn new() -> Self {
        Self(1)
    }

    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let word = ((self.0 >> ((self.0 >> 28) + 4)) ^ self.0).wrapping_mul(277_803_737);
        (word >> 22) ^ word
    }

    /// Numbers in -range..range.
    pub(super) fn take(&mut self, n: usize, range: f32) -> Vec<f32> {
        (0..n).map(|_| (self.bits() as f32 / 2_147_483_648.0 - 1.0) * range).collect()
    }

    /// Rows of blocks of ordinary weights, as in a file. A dozen different ones: bytes at random are seldom
    /// ordinary.
    pub(super) fn blocks(&mut self, format: &Format, n_rows: usize, n_cols: usize) -> Vec<u8> {
        const VALUES: usize = 2048;
        let n_kinds = (VALUES / format.block_len).clamp(11, 509) | 1;
        let kinds: Vec<Vec<u8>> = (0..n_kinds).map(|_| self.block(format)).collect();
        let n_blocks = n_rows * n_cols / format.block_len;
        kinds.iter().cycle().take(n_blocks).flatten().copied().collect()
    }

    fn block(&mut self, format: &Format) -> Vec<u8> {
        let mut weights = Vec::with_capacity(format.block_len);
        loop {
            let block: Vec<u8> = (0..format.block_bytes).map(|_| (self.bits() >> 11) as u8).collect();
            weights.clear();
            format.decode(&block, &mut weights);
            let largest =
                weights.iter().fold(0f32, |m, w| if w.is_nan() { f32::INFINITY } else { m.max(w.abs()) });
            if (0.1..4.0).contains(&largest) {
                return block;
            }
        }
    }
}
