//! Links: the way of a worker's share of a buffer to the other workers.

use std::ops::Range;

use crate::error::Result;

/// Exchange of results between workers that run the same plan.
pub trait Link {
    /// Sends the ranges of `buffer` that this worker wrote and fills in those of the others. Together, the ranges
    /// of all workers are the whole buffer.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if another worker is gone.
    fn exchange(
        &mut self,
        buffer: &mut [f32],
        mine: impl Iterator<Item = Range<usize>>,
    ) -> impl Future<Output = Result<()>>;
}

/// The link of a worker that has no others.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Link for Alone {
    async fn exchange(&mut self, _: &mut [f32], _: impl Iterator<Item = Range<usize>>) -> Result<()> {
        Ok(())
    }
}
