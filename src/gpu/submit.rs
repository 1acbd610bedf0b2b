//! Submissions: plans, whole or in pieces, and copies, in order.

use std::collections::HashSet;

use super::buffer::Buffer;
use super::device::Gpu;
use super::plan::{Plan, Prepared, Step};
use crate::error::Result;

/// Part of a submission.
#[derive(Clone, Copy, Debug)]
pub enum Work<'a> {
    /// The dispatches of a plan.
    Plan(&'a Plan, Step),
    /// Some of them: piece number `.2` of `.3`.
    Piece(&'a Plan, Step, usize, usize),
    /// Bytes from an offset of one buffer to the start of another.
    Copy {
        /// Read.
        from: &'a Buffer,
        /// Where in `from`.
        offset: u64,
        /// Written.
        to: &'a Buffer,
        /// How many.
        bytes: u64,
    },
}

impl Work<'_> {
    fn dispatches<'p>(&self, plan: &'p Plan) -> &'p [Prepared] {
        let (piece, n_pieces) = match self {
            Self::Piece(_, _, piece, n_pieces) => (*piece, (*n_pieces).max(1)),
            _ => (0, 1),
        };
        let bound = |piece: usize| plan.prepared.len() * piece / n_pieces;
        plan.prepared.get(bound(piece)..bound(piece + 1)).unwrap_or_default()
    }
}

impl Gpu {
    /// Runs plans, each with its step, one compute pass a plan, then `copies` (from, byte offset, to, bytes): one submission.
    ///
    /// # Errors
    /// [`crate::Error::LimitTooLow`] where a grid is too large; [`crate::Error::DeviceLost`]. Other faults show when results are read.
    pub fn run(&self, plans: &[(&Plan, Step)], copies: &[(&Buffer, u64, &Buffer, u64)]) -> Result<()> {
        let mut works: Vec<Work<'_>> = plans.iter().map(|(plan, step)| Work::Plan(plan, *step)).collect();
        works.extend(copies.iter().map(|&(from, offset, to, bytes)| Work::Copy { from, offset, to, bytes }));
        self.run_works(&works)
    }

    /// Runs plans and copies in order, plans without a copy between them in one compute pass: one submission.
    ///
    /// # Errors
    /// As [`Gpu::run`].
    pub fn run_works(&self, works: &[Work<'_>]) -> Result<()> {
        self.check_lost()?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = None;
        for work in works {
            match work {
                Work::Plan(plan, step) | Work::Piece(plan, step, ..) => {
                    self.write(&plan.step, 0, bytemuck::bytes_of(step));
                    let pass = pass.get_or_insert_with(|| self.begin_pass(&mut encoder));
                    self.encode(pass, work.dispatches(plan), *step)?;
                }
                Work::Copy { from, offset, to, bytes } => {
                    drop(pass.take());
                    encoder.copy_buffer_to_buffer(&from.raw, *offset, &to.raw, 0, *bytes);
                }
            }
        }
        drop(pass);
        self.submit([encoder]);
        Ok(())
    }

    /// Runs one workgroup of each kernel that the plans take, for a step of one token: some drivers compile no sooner.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`].
    pub fn run_in(&self, plans: &[&Plan]) -> Result<()> {
        self.check_lost()?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = self.begin_pass(&mut encoder);
        let mut known = HashSet::new();
        for plan in plans {
            self.write(&plan.step, 0, bytemuck::bytes_of(&Step { n_tokens: 1, ..Step::default() }));
            for dispatch in plan.prepared.iter().filter(|dispatch| known.insert(dispatch.name.as_str())) {
                dispatch.record_workgroups(&mut pass, [1, 1]);
                self.counters.borrow_mut().dispatches += 1;
            }
        }
        drop(pass);
        self.submit([encoder]);
        Ok(())
    }

    /// Runs plans in order, then copies buffers whole, one behind the other, into `to`: one submission.
    ///
    /// # Errors
    /// As [`Gpu::run`].
    pub fn run_into(&self, plans: &[(Plan, Step)], outs: &[Buffer], to: &Buffer) -> Result<()> {
        self.check_lost()?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = self.begin_pass(&mut encoder);
        for (plan, step) in plans {
            self.write(&plan.step, 0, bytemuck::bytes_of(step));
            self.encode(&mut pass, &plan.prepared, *step)?;
        }
        drop(pass);
        let mut at = 0;
        for out in outs {
            encoder.copy_buffer_to_buffer(&out.raw, 0, &to.raw, at, out.bytes());
            at += out.bytes();
        }
        self.submit([encoder]);
        Ok(())
    }

    fn begin_pass(&self, encoder: &mut wgpu::CommandEncoder) -> wgpu::ComputePass<'static> {
        self.counters.borrow_mut().passes += 1;
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime()
    }

    /// Runs a plan section by section, copying `bytes` of `from` at `offset` into `to` after each: for observers, not for speed.
    ///
    /// # Errors
    /// As [`Gpu::run`].
    pub fn run_sections(
        &self,
        plan: &Plan,
        step: Step,
        watched: (&Buffer, u64, u64),
        to: &Buffer,
    ) -> Result<()> {
        self.check_lost()?;
        self.write(&plan.step, 0, bytemuck::bytes_of(&step));
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let (from, offset, bytes) = watched;
        let mut start = 0;
        for (i, end) in plan.marks.iter().enumerate() {
            let mut pass = self.begin_pass(&mut encoder);
            self.encode(&mut pass, plan.prepared.get(start..*end).unwrap_or_default(), step)?;
            drop(pass);
            encoder.copy_buffer_to_buffer(&from.raw, offset, &to.raw, i as u64 * bytes, bytes);
            start = *end;
        }
        self.submit([encoder]);
        Ok(())
    }

    fn encode(&self, pass: &mut wgpu::ComputePass<'_>, prepared: &[Prepared], step: Step) -> Result<()> {
        for dispatch in prepared {
            dispatch.record(pass, step)?;
        }
        self.counters.borrow_mut().dispatches += prepared.len() as u64;
        Ok(())
    }

    pub(super) fn submit<const N: usize>(&self, encoders: [wgpu::CommandEncoder; N]) {
        self.counters.borrow_mut().submits += 1;
        self.bytes_pending.set(0);
        let index = self.queue.submit(encoders.map(wgpu::CommandEncoder::finish));
        self.last_submission.replace(Some(index));
    }
}
