//! A plan: dispatches whose pipelines, bind groups and parameters are made once and run many times.

use super::buffer::Buffer;
use super::device::Gpu;
use super::matrix::Part;
use super::pipeline::key;
use super::shader::{Kernel, Variant};
use crate::error::{Error, Result};

/// Parameters that change from run to run of a plan: the uniform `step` of `shaders/lib/step.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct RunParams {
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
pub enum Extent {
    /// A number that is the same in every run.
    Fixed(u64),
    /// This number for each token of the run.
    PerToken(u64),
    /// A function of the run and of a constant of the dispatch.
    Of(fn(RunParams, u64) -> u64, u64),
}

/// Extents of a dispatch, and the share of each that one workgroup covers.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// First dimension, and its extent per workgroup.
    pub x: (Extent, u64),
    /// Second dimension, and its extent per workgroup.
    pub y: (Extent, u64),
}

/// Workgroups per dimension that every WebGPU adapter can dispatch.
const MAX_WORKGROUPS: u64 = 65_535;

impl Grid {
    /// Workgroups for a run.
    ///
    /// # Errors
    /// [`Error::LimitTooLow`] above 65,535 in a dimension.
    pub fn workgroups(&self, label: &str, params: RunParams) -> Result<[u32; 2]> {
        let extent = |(count, per_workgroup): (Extent, u64)| {
            let needs = match count {
                Extent::Fixed(n) => n,
                Extent::PerToken(n) => n * u64::from(params.n_tokens),
                Extent::Of(extent, constant) => extent(params, constant),
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
pub enum ExtraBindings<'a> {
    /// None.
    None,
    /// The planes of a part of a matrix, all of which the kernel reads.
    Planes(&'a Part),
    /// The planes of a part of a matrix, of which the kernel reads a row for each token.
    Lookup(&'a Part),
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
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Its variant.
    pub variant: Variant,
    /// The kernel's `Params`, as bytes: written once.
    pub params: &'a [u8],
    /// Bindings from 2 on, in the order of the kernel's head comment.
    pub bindings: &'a [&'a Buffer],
    /// Bind groups 1 and 2.
    pub extra: ExtraBindings<'a>,
    /// Extents of the dispatch.
    pub grid: Grid,
}

/// A dispatch with its pipeline and bind groups.
#[derive(Debug)]
pub(super) struct BoundDispatch {
    label: String,
    kernel: &'static Kernel,
    variant: Variant,
    /// Kernel and variant.
    pub(super) name: String,
    /// Bytes of the matrices that a run reads whole.
    pub(super) plane_bytes: u64,
    pipeline: wgpu::ComputePipeline,
    groups: Vec<wgpu::BindGroup>,
    grid: Grid,
    /// Keeps the uniform alive.
    _params: Buffer,
}

/// Dispatches in order, over one uniform of run parameters.
#[derive(Debug)]
pub struct Plan {
    pub(super) step: Buffer,
    pub(super) dispatches: Vec<BoundDispatch>,
    /// Ends of sections, as indices of `dispatches`; for example the end of a layer.
    pub(super) marks: Vec<usize>,
}

impl Plan {
    /// An empty plan.
    #[must_use]
    pub fn new(gpu: &Gpu, label: &str) -> Self {
        let step = gpu.uniform(&format!("{label} step"), bytemuck::bytes_of(&RunParams::default()));
        Self { step, dispatches: Vec::new(), marks: Vec::new() }
    }

    /// Marks the end of a section, which a command may then run alone.
    pub fn mark(&mut self) {
        self.marks.push(self.dispatches.len());
    }

    /// Adds a dispatch: compiles its pipeline unless it was compiled before, and makes its bind groups.
    pub fn add(&mut self, gpu: &Gpu, label: &str, dispatch: &Dispatch<'_>) {
        let pipeline = gpu.pipeline(dispatch.kernel, dispatch.variant);
        let params = gpu.uniform(label, dispatch.params);
        let mut entries = vec![entry(0, &params)];
        // A layout holds only the bindings that the shader names.
        if dispatch.kernel.names("step") {
            entries.push(entry(1, &self.step));
        }
        for (buffer, binding) in dispatch.bindings.iter().zip(2..) {
            entries.push(entry(binding, buffer));
        }
        let mut groups = vec![gpu.bind_group(label, &pipeline, 0, &entries)];
        let more = match dispatch.extra {
            ExtraBindings::None => Vec::new(),
            ExtraBindings::Planes(part) | ExtraBindings::Lookup(part) => vec![planes(part)],
            ExtraBindings::TwoPlanes(first, second) => vec![planes(first), planes(second)],
            ExtraBindings::One(buffer) => vec![vec![entry(0, buffer)]],
            ExtraBindings::KvAnd(keys, values, other) => {
                vec![vec![entry(0, keys), entry(1, values)], vec![entry(0, other)]]
            }
            ExtraBindings::Kv(keys, values) => vec![vec![entry(0, keys), entry(1, values)]],
        };
        for (index, entries) in (1..).zip(&more) {
            groups.push(gpu.bind_group(label, &pipeline, index, entries));
        }
        let (label, grid) = (label.to_owned(), dispatch.grid);
        let name = key(dispatch.kernel, dispatch.variant);
        let plane_bytes = dispatch.extra.plane_bytes();
        let Dispatch { kernel, variant, .. } = *dispatch;
        self.dispatches.push(BoundDispatch {
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

    /// Kernel and variant of each dispatch.
    pub fn kernels(&self) -> impl Iterator<Item = (&'static Kernel, Variant)> + '_ {
        self.dispatches.iter().map(|dispatch| (dispatch.kernel, dispatch.variant))
    }
}

impl ExtraBindings<'_> {
    /// Bytes of the bound matrices that a run reads whole.
    fn plane_bytes(&self) -> u64 {
        let of = |part: &Part| part.range.planes.iter().map(|(_, bytes)| bytes).sum::<u64>();
        match self {
            Self::Planes(part) => of(part),
            Self::TwoPlanes(first, second) => of(first) + of(second),
            _ => 0,
        }
    }
}

impl BoundDispatch {
    /// Records the dispatch for a run.
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, params: RunParams) -> Result<()> {
        let workgroups = self.grid.workgroups(&self.label, params)?;
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
