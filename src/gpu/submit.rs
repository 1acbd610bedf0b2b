//! Submissions: commands that run plans, whole or in parts, and copy buffers, in order.

use std::collections::HashSet;

use super::buffer::Buffer;
use super::device::Gpu;
use super::plan::{BoundDispatch, Plan, RunParams};
use crate::error::Result;

/// One command of a submission.
#[derive(Clone, Copy, Debug)]
pub enum Command<'a> {
    /// The dispatches of a plan.
    Plan(&'a Plan, RunParams),
    /// Piece number `.2` of `.3` of a plan, all pieces about equally long.
    Piece(&'a Plan, RunParams, usize, usize),
    /// Section number `.2` of a plan: its dispatches between two marks.
    Section(&'a Plan, RunParams, usize),
    /// A copy of bytes from one buffer to another.
    Copy {
        /// Source.
        from: &'a Buffer,
        /// First byte in `from`.
        from_offset: u64,
        /// Destination.
        to: &'a Buffer,
        /// First byte in `to`.
        to_offset: u64,
        /// Number of bytes.
        bytes: u64,
    },
}

impl<'a> Command<'a> {
    /// A copy of the first bytes of a buffer to the start of another.
    #[must_use]
    pub fn copy(from: &'a Buffer, to: &'a Buffer, bytes: u64) -> Self {
        Self::Copy { from, from_offset: 0, to, to_offset: 0, bytes }
    }

    /// The dispatches of the plan that the command runs.
    fn dispatches<'p>(&self, plan: &'p Plan) -> &'p [BoundDispatch] {
        let n = plan.dispatches.len();
        let range = match *self {
            Self::Piece(_, _, piece, n_pieces) => {
                let bound = |piece: usize| n * piece / n_pieces.max(1);
                bound(piece)..bound(piece + 1)
            }
            Self::Section(_, _, section) => {
                let mark = |i: usize| plan.marks.get(i).copied().unwrap_or(n);
                section.checked_sub(1).map_or(0, mark)..mark(section)
            }
            _ => 0..n,
        };
        plan.dispatches.get(range).unwrap_or_default()
    }
}

impl Gpu {
    /// Runs commands in order, plans without a copy between them in one compute pass: one submission.
    ///
    /// # Errors
    /// [`crate::Error::LimitTooLow`] if a grid is too large; [`crate::Error::DeviceLost`]. Other faults show
    /// when results are read.
    pub fn run(&self, commands: &[Command<'_>]) -> Result<()> {
        self.check_lost()?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = None;
        for command in commands {
            match command {
                Command::Plan(plan, params)
                | Command::Piece(plan, params, ..)
                | Command::Section(plan, params, _) => {
                    self.write(&plan.step, 0, bytemuck::bytes_of(params));
                    let pass = pass.get_or_insert_with(|| self.begin_pass(&mut encoder));
                    self.encode(pass, command.dispatches(plan), *params)?;
                }
                Command::Copy { from, from_offset, to, to_offset, bytes } => {
                    drop(pass.take());
                    encoder.copy_buffer_to_buffer(&from.raw, *from_offset, &to.raw, *to_offset, *bytes);
                }
            }
        }
        drop(pass);
        self.submit([encoder]);
        Ok(())
    }

    /// Runs one workgroup of each kernel of some plans, as for one token: some drivers compile only at the
    /// first run.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`].
    pub fn warm_up(&self, plans: &[&Plan]) -> Result<()> {
        self.check_lost()?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = self.begin_pass(&mut encoder);
        let mut known = HashSet::new();
        for plan in plans {
            let params = RunParams { n_tokens: 1, ..RunParams::default() };
            self.write(&plan.step, 0, bytemuck::bytes_of(&params));
            for dispatch in plan.dispatches.iter().filter(|dispatch| known.insert(dispatch.name.as_str())) {
                dispatch.record_workgroups(&mut pass, [1, 1]);
                self.counters.borrow_mut().dispatches += 1;
            }
        }
        drop(pass);
        self.submit([encoder]);
        Ok(())
    }

    fn begin_pass(&self, encoder: &mut wgpu::CommandEncoder) -> wgpu::ComputePass<'static> {
        self.counters.borrow_mut().passes += 1;
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime()
    }

    fn encode(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        dispatches: &[BoundDispatch],
        params: RunParams,
    ) -> Result<()> {
        for dispatch in dispatches {
            dispatch.record(pass, params)?;
        }
        self.counters.borrow_mut().dispatches += dispatches.len() as u64;
        Ok(())
    }

    pub(super) fn submit<const N: usize>(&self, encoders: [wgpu::CommandEncoder; N]) {
        self.counters.borrow_mut().submits += 1;
        self.bytes_pending.set(0);
        let index = self.queue.submit(encoders.map(wgpu::CommandEncoder::finish));
        self.last_submission.replace(Some(index));
    }
}
