//! Teams: the workers that a model runs on, as the model sees them.

use std::fmt::Debug;

use futures_channel::oneshot;
use futures_util::future::try_join_all;

use crate::cpu::plan::{Job, Reply};
use crate::error::{Error, Result};

/// The answer to a job, when it is done.
pub type Answer = oneshot::Receiver<Result<Reply>>;

/// Proof that there are workers here. In a browser there are none yet: no value of this type exists, so the compiler
/// leaves out everything that holds one.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Copy, Debug)]
pub struct HasWorkers(());

/// Proof that there are workers here, which a browser does not have yet.
#[cfg(target_arch = "wasm32")]
#[derive(Clone, Copy, Debug)]
pub enum HasWorkers {}

#[cfg(not(target_arch = "wasm32"))]
impl HasWorkers {
    /// There are threads.
    pub(super) fn by_threads() -> Self {
        Self(())
    }
}

/// Workers that take jobs. Each does its jobs in order.
pub trait Team: Debug {
    /// Number of workers.
    fn n_workers(&self) -> usize;

    /// Gives a job to a worker.
    fn send(&self, worker: usize, job: Job) -> Answer;
}

/// Waits for an answer.
///
/// # Errors
/// Those of the job; [`Error::DeviceLost`] if the worker is gone.
pub async fn reply(answer: Answer) -> Result<Reply> {
    answer.await.unwrap_or_else(|_| Err(lost()))
}

/// The error of a worker that is gone.
pub(super) fn lost() -> Error {
    Error::DeviceLost { why: "a worker of the CPU has ended".to_owned() }
}

/// Gives each worker a job, now. The future waits for all.
///
/// # Errors
/// As [`reply`].
pub fn all(team: &dyn Team, job: &dyn Fn(usize) -> Job) -> impl Future<Output = Result<Vec<Reply>>> + use<> {
    let answers: Vec<Answer> = (0..team.n_workers()).map(|worker| team.send(worker, job(worker))).collect();
    try_join_all(answers.into_iter().map(reply))
}
