//! A worker: memory of its own for some rows and heads, and the jobs that it does there.

use std::hint::black_box;

use crate::cpu::lanes::Isa;
use crate::cpu::link::Link;
use crate::cpu::memory::{Memory, get};
use crate::cpu::operations::Executor;
use crate::cpu::plan::{Job, Op, PlanId, Reply, Step};
use crate::cpu::swapped::Swapped;
use crate::error::Result;

/// A worker.
#[derive(Debug)]
pub struct Worker {
    executor: Executor,
    memory: Memory,
    plans: Vec<Vec<Op>>,
    swapped: Swapped,
}

impl Worker {
    /// A worker that has nothing yet.
    #[must_use]
    pub fn new(isa: Isa) -> Self {
        Self {
            executor: Executor::new(isa),
            memory: Memory::default(),
            plans: Vec::new(),
            swapped: Swapped::default(),
        }
    }

    /// Does a job.
    ///
    /// # Errors
    /// Those of [`Link::exchange`]; [`crate::Error::Internal`] for a job that names what was not allocated.
    pub async fn work(&mut self, job: Job, link: &mut impl Link) -> Result<Reply> {
        let Self { memory, plans, swapped, .. } = self;
        match job {
            Job::Allocate(spec) => {
                *memory = Memory::allocate(&spec);
                *plans = spec.plans;
                *swapped = Swapped::default();
            }
            Job::WriteRows { matrix, first_row, blocks } => {
                memory.matrix(matrix)?.write_rows(first_row, &blocks);
            }
            Job::WriteVector { vector, values } => values.as_ref().clone_into(memory.vector(vector)?),
            Job::Run { plan, section, step } => self.run(plan, section, &step, link).await?,
            Job::Read { buffer, rows } => {
                return Ok(Reply::Numbers(memory.buffer(buffer)?.rows(rows).to_vec()));
            }
            Job::ReadWeights => {
                black_box(memory.sum_of_matrices());
            }
            Job::Shrink { buffer, n_rows } => memory.buffer(buffer)?.shrink(n_rows),
            Job::SwapOut { id, n_tokens } => swapped.swap_out(id, n_tokens, &memory.caches),
            Job::AllocateSwapped { id, n_tokens } => swapped.allocate(id, n_tokens, &memory.caches),
            Job::SwapIn { id } => swapped.swap_in(id, &mut memory.caches)?,
            Job::Duplicate { from, to } => swapped.duplicate(from, to)?,
            Job::Free { id } => swapped.free(id),
            Job::ReadPlane { id, plane, n_tokens } => {
                return Ok(Reply::Bytes(swapped.read(id, plane, n_tokens, &memory.caches)?));
            }
            Job::WritePlane { id, plane, offset, bytes } => {
                swapped.write(id, plane, (offset, &bytes), &memory.caches)?;
            }
        }
        Ok(Reply::Done)
    }

    /// Executes a plan, or one of its sections.
    async fn run(
        &mut self,
        plan: PlanId,
        section: Option<usize>,
        step: &Step,
        link: &mut impl Link,
    ) -> Result<()> {
        let mut number = 0;
        for op in get(&self.plans, plan.0, "plan")? {
            if section.is_none_or(|section| section == number) {
                self.executor.execute(&mut self.memory, op, step, link).await?;
            }
            number += usize::from(matches!(op, Op::Mark));
        }
        Ok(())
    }
}
