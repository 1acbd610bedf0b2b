//! Cancellation: the one way to stop work in progress.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use crate::error::{Error, Result};

/// A flag that stops long work: the caller keeps a clone, and the work checks it between steps.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<State>);

#[derive(Debug, Default)]
struct State {
    asked: AtomicBool,
    /// Wakers of tasks that wait for something else.
    waiting: Mutex<Vec<Waker>>,
}

impl Cancel {
    /// Asks the work to stop at its next step, or at once if it waits for the network.
    pub fn cancel(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether [`Cancel::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// # Errors
    /// [`Error::Aborted`] once [`Cancel::cancel`] was called.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Aborted) } else { Ok(()) }
    }

    /// Waits until [`Cancel::cancel`] is called.
    pub async fn cancelled(&self) {
        poll_fn(|context| {
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if self.check().is_err() {
                return Poll::Ready(());
            }
            if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::Cancel;

    #[test]
    fn who_waits_is_woken() {
        let (cancel, mut n_polls) = (Cancel::default(), 0);
        let mut waiting = Box::pin(cancel.cancelled());
        // Without the waker this would never end: only the waker causes the second poll.
        pollster::block_on(std::future::poll_fn(|context| {
            n_polls += 1;
            let state = waiting.as_mut().poll(context);
            cancel.cancel();
            state
        }));
        assert_eq!(n_polls, 2);
        pollster::block_on(cancel.cancelled());
        assert!(cancel.check().is_err());
    }
}
