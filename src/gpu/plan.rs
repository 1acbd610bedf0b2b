//! A plan: dispatches whose pipelines, bind groups and parameters are made once and run many times.

use super::buffer::Buffer;
use super::device::Gpu;
use super::matrix::Part;
use super::pipeline::key;
use super::shader::{Kernel, Variant};
use crate::error::{Error, Result};

/// What changes between runs of a plan: the uniform of `shaders/lib/step.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Step {
    /// Rows of this run (T).
    pub n_tokens: u32,
    /// Context position of the first row.
    pub position: u32,
    /// Input row that the first row reads.
    pub first_row: u32,
    /// Alignment.
    pub pad: u32,
}

/// Extent of one grid dimension, in invocations or rows.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// The same in every run.
    Fixed(u64),
    /// This many for each token of the run.
    PerToken(u64),
    /// Chunks of the keys that the token at the step's position sees within a window; 0: all before it.
    Chunks(u64),
}

/// Keys a block of [`n_chunks`]: shaders/lib/chunks.wgsl has the same rule.
pub const BLOCK: u64 = 64;
/// Chunks of [`n_chunks`].
pub const MAX_CHUNKS: u64 = 32;

/// Chunks of whole blocks of 64 keys, at most [`MAX_CHUNKS`], for the query at a position.
#[must_use]
pub fn n_chunks(position: u64, window: u64) -> u64 {
    let n_keys = if window == 0 { position + 1 } else { window.min(position + 1) };
    let per_chunk = n_keys.div_ceil(BLOCK).div_ceil(MAX_CHUNKS) * BLOCK;
    n_keys.div_ceil(per_chunk)
}

/// Extents of a dispatch, and how much of each one workgroup covers.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// First dimension and its extent a workgroup.
    pub x: (Count, u64),
    /// Second dimension and its extent a workgroup.
    pub y: (Count, u64),
}

/// Every WebGPU adapter dispatches this many workgroups in a dimension.
const MAX_WORKGROUPS: u64 = 65_535;

impl Grid {
    /// Workgroups for a run.
    ///
    /// # Errors
    /// [`Error::LimitTooLow`] above 65,535 in a dimension.
    pub fn workgroups(&self, label: &str, step: Step) -> Result<[u32; 2]> {
        let extent = |(count, per_workgroup): (Count, u64)| {
            let needs = match count {
                Count::Fixed(n) => n,
                Count::PerToken(n) => n * u64::from(step.n_tokens),
                Count::Chunks(window) => n_chunks(u64::from(step.position), window),
            }
            .div_ceil(per_workgroup);
            match u32::try_from(needs) {
                Ok(n) if needs <= MAX_WORKGROUPS => Ok(n),
                _ => Err(Error::LimitTooLow {
                    what: format!("dispatch {label}"),
                    needs,
                    offers: MAX_WORKGROUPS,
                }),
            }
        };
        Ok([extent(self.x)?, extent(self.y)?])
    }
}

/// Bind groups 1 and 2 of a dispatch.
#[derive(Clone, Copy, Debug)]
pub enum Group1<'a> {
    /// None.
    None,
    /// The planes of a part of a matrix.
    Planes(&'a Part),
    /// The planes of two matrices, the second's in group 2.
    TwoPlanes(&'a Part, &'a Part),
    /// One buffer.
    One(&'a Buffer),
    /// Keys and values of a layer.
    Kv(&'a Buffer, &'a Buffer),
    /// Keys and values of a layer, and a buffer in group 2.
    KvAnd(&'a Buffer, &'a Buffer, &'a Buffer),
}

/// One dispatch to be added to a plan.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch<'a> {
    /// What runs.
    pub kernel: &'static Kernel,
    /// In which variant.
    pub variant: Variant,
    /// The kernel's `Params`, as bytes: written once.
    pub params: &'a [u8],
    /// Bindings from 2 on, in the order of the kernel's head comment.
    pub bindings: &'a [&'a Buffer],
    /// Bind group 1.
    pub group1: Group1<'a>,
    /// How many workgroups.
    pub grid: Grid,
}

#[derive(Debug)]
pub(super) struct Prepared {
    label: String,
    kernel: &'static Kernel,
    variant: Variant,
    /// Kernel and variant.
    pub(super) name: String,
    /// Bytes of the matrix part that is bound.
    pub(super) plane_bytes: u64,
    pipeline: wgpu::ComputePipeline,
    groups: Vec<wgpu::BindGroup>,
    grid: Grid,
    /// Keeps the uniform alive.
    _params: Buffer,
}

/// Dispatches in order, over one step uniform.
#[derive(Debug)]
pub struct Plan {
    pub(super) step: Buffer,
    pub(super) prepared: Vec<Prepared>,
    /// Indices of `prepared` before which an observer may look, e.g. at the end of a layer.
    pub(super) marks: Vec<usize>,
}

impl Plan {
    /// An empty plan.
    #[must_use]
    pub fn new(gpu: &Gpu, label: &str) -> Self {
        let step = gpu.uniform(&format!("{label} step"), bytemuck::bytes_of(&Step::default()));
        Self { step, prepared: Vec::new(), marks: Vec::new() }
    }

    /// Marks the end of a section for [`Gpu::run_sections`].
    pub fn mark(&mut self) {
        self.marks.push(self.prepared.len());
    }

    /// Adds a dispatch: compiles its pipeline unless it was compiled before, and makes its bind groups.
    pub fn add(&mut self, gpu: &Gpu, label: &str, dispatch: &Dispatch<'_>) {
        let pipeline = gpu.pipeline(dispatch.kernel, dispatch.variant);
        let params = gpu.uniform(label, dispatch.params);
        let mut entries = vec![entry(0, &params)];
        // Layouts hold what a shader names, no more.
        if dispatch.kernel.names("step") {
            entries.push(entry(1, &self.step));
        }
        for (buffer, binding) in dispatch.bindings.iter().zip(2..) {
            entries.push(entry(binding, buffer));
        }
        let mut groups = vec![gpu.bind_group(label, &pipeline, 0, &entries)];
        let more = match dispatch.group1 {
            Group1::None => Vec::new(),
            Group1::Planes(part) => vec![planes(part)],
            Group1::TwoPlanes(first, second) => vec![planes(first), planes(second)],
            Group1::One(buffer) => vec![vec![entry(0, buffer)]],
            Group1::KvAnd(keys, values, other) => {
                vec![vec![entry(0, keys), entry(1, values)], vec![entry(0, other)]]
            }
            Group1::Kv(keys, values) => vec![vec![entry(0, keys), entry(1, values)]],
        };
        for (index, entries) in (1..).zip(&more) {
            groups.push(gpu.bind_group(label, &pipeline, index, entries));
        }
        let (label, grid) = (label.to_owned(), dispatch.grid);
        let name = key(dispatch.kernel, dispatch.variant);
        let plane_bytes = dispatch.group1.plane_bytes();
        let Dispatch { kernel, variant, .. } = *dispatch;
        self.prepared.push(Prepared {
            label,
            kernel,
            variant,
            name,
            plane_bytes,
            pipeline,
            groups,
            grid,
            _params: params,
        });
    }

    /// What its dispatches run, kernel and variant.
    pub fn kernels(&self) -> impl Iterator<Item = (&'static Kernel, Variant)> + '_ {
        self.prepared.iter().map(|dispatch| (dispatch.kernel, dispatch.variant))
    }
}

impl Prepared {
    /// Records the dispatch for a run.
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, step: Step) -> Result<()> {
        let workgroups = self.grid.workgroups(&self.label, step)?;
        self.record_workgroups(pass, workgroups);
        Ok(())
    }

    pub(super) fn record_workgroups(&self, pass: &mut wgpu::ComputePass<'_>, [x, y]: [u32; 2]) {
        pass.set_pipeline(&self.pipeline);
        for (index, group) in (0..).zip(&self.groups) {
            pass.set_bind_group(index, group, &[]);
        }
        pass.dispatch_workgroups(x, y, 1);
    }
}

fn entry(binding: u32, buffer: &Buffer) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry { binding, resource: buffer.raw.as_entire_binding() }
}

fn planes(part: &Part) -> Vec<wgpu::BindGroupEntry<'_>> {
    let bind = |(binding, (offset, bytes)): (u32, &(u64, u64))| wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &part.buffer.raw,
            offset: *offset,
            size: std::num::NonZeroU64::new(*bytes),
        }),
    };
    (0..).zip(&part.range.planes).map(bind).collect()
}
