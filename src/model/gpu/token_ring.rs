//! Token ring: several decode steps under way at once, each of which reads the token that the one before it
//! sampled, and four bytes read back for each.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::gpu::buffer::allocated;
use crate::gpu::readback::Pending;
use crate::gpu::{Buffer, Command, Gpu};
use crate::kernels::sample::{NO_ID, SamplerState, recent_offset};

/// Maximum number of tokens under way: at worst, a stop takes effect this many tokens late.
pub const MAX_DEPTH: usize = 4;
const ID_BYTES: u64 = 4;
/// GPU memory of the ring, for the memory plan.
pub(super) const RING_BYTES: u64 = MAX_DEPTH as u64 * allocated(ID_BYTES);

/// A token under way.
#[derive(Debug)]
struct Sampled {
    slot: usize,
    pending: Pending,
    /// Position of the token in the text.
    position: usize,
}

/// A ring of staging buffers, and the tokens under way in them.
#[derive(Debug)]
pub struct TokenRing {
    ring: Vec<Buffer>,
    under_way: RefCell<VecDeque<Sampled>>,
    next_slot: Cell<usize>,
}

impl TokenRing {
    pub(super) fn allocate(gpu: &Gpu) -> Self {
        let ring = (0..MAX_DEPTH).map(|_| gpu.staging("sampled id", ID_BYTES)).collect();
        Self { ring, under_way: RefCell::default(), next_slot: Cell::new(0) }
    }

    /// Number of tokens under way.
    pub(super) fn len(&self) -> usize {
        self.under_way.borrow().len()
    }

    /// Submits `commands`, which sample the token at a text position, and requests its id.
    ///
    /// # Errors
    /// [`Error::Internal`] if [`MAX_DEPTH`] are under way; as [`Gpu::run`].
    pub(super) fn submit(
        &self,
        gpu: &Gpu,
        commands: &[Command<'_>],
        sample: &SamplerState,
        position: usize,
    ) -> Result<()> {
        let slot = self.next_slot.get();
        let staging = match self.ring.get(slot) {
            Some(staging) if self.len() < MAX_DEPTH => staging,
            _ => return Err(Error::Internal { what: "too many tokens are under way".to_owned() }),
        };
        let read = Command::Copy {
            from: &sample.recent,
            from_offset: recent_offset(position),
            to: staging,
            to_offset: 0,
            bytes: ID_BYTES,
        };
        gpu.run(&[commands, &[read]].concat())?;
        let pending = gpu.request(staging, ID_BYTES);
        self.under_way.borrow_mut().push_back(Sampled { slot, pending, position });
        self.next_slot.set((slot + 1) % MAX_DEPTH);
        Ok(())
    }

    /// Waits for the oldest token.
    ///
    /// # Errors
    /// [`Error::NumericError`] if a logit was not finite; as [`Gpu::read_back`].
    pub(super) async fn next(&self, gpu: &Gpu) -> Result<u32> {
        let nothing = || Error::Internal { what: "no token is under way".to_owned() };
        let (position, read) = self.oldest(gpu).ok_or_else(nothing)?;
        match read.await?.first() {
            Some(id) if *id != NO_ID => Ok(*id),
            _ => Err(Error::NumericError { what: "the logits".to_owned(), position }),
        }
    }

    /// Waits for the tokens that a generation left under way when it stopped.
    ///
    /// # Errors
    /// As [`Gpu::read_back`].
    pub(super) async fn drain(&self, gpu: &Gpu) -> Result<()> {
        while let Some((_, read)) = self.oldest(gpu) {
            read.await?;
        }
        Ok(())
    }

    /// Text position of the oldest token, and its read-back.
    fn oldest<'a>(&'a self, gpu: &'a Gpu) -> Option<(usize, impl Future<Output = Result<Vec<u32>>> + 'a)> {
        let Sampled { slot, pending, position } = self.under_way.borrow_mut().pop_front()?;
        Some((position, gpu.read_back(pending, self.ring.get(slot)?)))
    }
}
