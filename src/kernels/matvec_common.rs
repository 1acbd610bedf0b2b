//! Common parts of the matrix-vector kernels of decoding: parameters, places of a token's activations, and
//! the batches of matrix parts that a dispatch takes.

use crate::gpu::matrix::Part;
use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::{MatvecVariant, Variant};
use crate::gpu::{Buffer, Extent, Gpu, Grid, Matrix, Tuning};
use crate::kernels::norm_add::{ADDED, POST_NORM, rms_norm};

/// The uniform of shaders/lib/matvec/common.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    n_groups: u32,
    n_rows: u32,
    n_more: u32,
    x: u32,
    y: u32,
    x_out: u32,
    flags: u32,
    eps: f32,
    out: u32,
    first_row: u32,
    softcap: f32,
    fold: u32,
    stride: u32,
    codes: u32,
}

/// Flag of [`NormInput`]: the kernel keeps the new residual stream.
pub const KEPT: u32 = 4;
/// Flag of [`NormInput`]: the norm is the second of `norms`.
pub const SECOND: u32 = 8;

/// One token's activations: a buffer of quads (four f32, or sixteen codes), each activation at its own quad.
#[derive(Clone, Copy, Debug)]
pub struct Acts<'a> {
    /// The buffer.
    pub buffer: &'a Buffer,
    /// Variants chosen for the adapter.
    pub tuning: Tuning,
}

/// An activation that lies among the others both in f32 and as codes.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// First quad of the f32 values.
    pub values: u32,
    /// First quad of their codes, two quads for sixteen values.
    pub codes: u32,
}

/// The normalised input of a sub-layer: `norm(x + post_norm(y))`, all `[D]` f32 at quads of the activations.
#[derive(Clone, Copy, Debug)]
pub struct NormInput<'a> {
    /// The residual stream.
    pub x: u32,
    /// The output of the sub-layer before; `None`: nothing is added.
    pub y: Option<u32>,
    /// Place of the new residual stream, if it is kept.
    pub x_out: Option<u32>,
    /// `[D]`, or `[2, D]` with the post-norm first.
    pub norms: &'a Buffer,
    /// Whether `norms` begins with a post-norm for the addition.
    pub has_post: bool,
    /// Added to the mean square.
    pub eps: f32,
}

impl NormInput<'_> {
    fn write(&self, params: &mut Params) {
        params.x = self.x;
        params.y = self.y.unwrap_or_default();
        params.x_out = self.x_out.unwrap_or_default();
        params.eps = self.eps;
        params.flags = if self.y.is_some() { ADDED } else { 0 }
            | if self.has_post && self.y.is_some() { POST_NORM } else { 0 }
            | if self.has_post { SECOND } else { 0 }
            | if self.x_out.is_some() { KEPT } else { 0 };
    }
}

/// CPU twin of [`NormInput`]: the new residual stream, and its norm.
#[must_use]
pub fn norm_input(
    x: &[f32],
    y: Option<&[f32]>,
    norms: &[f32],
    has_post: bool,
    eps: f32,
) -> (Vec<f32>, Vec<f32>) {
    let (post, norm) = norms.split_at(if has_post { x.len() } else { 0 });
    let added = match y {
        Some(y) if has_post => rms_norm(y, post, eps),
        Some(y) => y.to_vec(),
        None => vec![0.0; x.len()],
    };
    let r: Vec<f32> = x.iter().zip(&added).map(|(x, y)| x + y).collect();
    let normed = rms_norm(&r, norm, eps);
    (r, normed)
}

/// One dispatch over the rows of a part, or of the only parts of two matrices of different formats.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    matrix: &'a Matrix,
    part: &'a Part,
    second: Option<(&'a Matrix, &'a Part)>,
}

/// Storage buffers that a kernel with a normalised input binds beside the planes: acts and norms.
const BINDINGS_BESIDE_PLANES: usize = 2;

impl<'a> Batch<'a> {
    /// A part alone.
    #[must_use]
    pub fn one(matrix: &'a Matrix, part: &'a Part) -> Self {
        Self { matrix, part, second: None }
    }

    /// Batches of matrices that take the same input, as few as the adapter's bindings allow.
    #[must_use]
    pub fn all(gpu: &Gpu, matrices: &'a [Matrix]) -> Vec<Self> {
        let mut batches: Vec<Self> = Vec::new();
        let mut rest = matrices;
        while let [first, after @ ..] = rest {
            rest = after;
            if let (Some(second), [part]) = (after.first(), first.parts.as_slice())
                && let [second_part] = second.parts.as_slice()
                && fit_together(gpu, first, second)
            {
                batches.push(Self { matrix: first, part, second: Some((second, second_part)) });
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            batches.extend(first.parts.iter().map(|part| Self::one(first, part)));
        }
        batches
    }

    /// Whether this batch computes the same row of both halves: gate and up.
    #[must_use]
    pub fn is_paired(&self) -> bool {
        self.second.is_some() || self.matrix.slices.len() == 2
    }

    pub(super) fn variant(&self, gpu: &Gpu, tuning: Tuning, staged: bool) -> Variant {
        let second = self.second.map(|(matrix, _)| matrix.format);
        Variant::Matvec(MatvecVariant {
            format: self.matrix.format,
            second,
            staged,
            tuning,
            subgroups: gpu.subgroups(),
        })
    }

    pub(super) fn planes(&self) -> ExtraBindings<'a> {
        match self.second {
            None => ExtraBindings::Planes(self.part),
            Some((_, second)) => ExtraBindings::TwoPlanes(self.part, second),
        }
    }

    pub(super) fn label(&self) -> &'a str {
        &self.matrix.label
    }

    /// Rows in all.
    pub(super) fn n_rows(&self) -> u64 {
        self.part.range.n_rows + self.second.map_or(0, |(_, part)| part.range.n_rows)
    }

    /// Rows of each half.
    pub(super) fn half_rows(&self) -> u64 {
        if self.second.is_some() { self.part.range.n_rows } else { self.part.range.n_rows / 2 }
    }

    /// Everything but the input; `out` is the quad of the product's first column.
    pub(super) fn params(&self, out: u32, input: Option<&NormInput<'_>>) -> Params {
        let range = &self.part.range;
        let second = self.second.map_or(0, |(_, part)| part.range.n_rows);
        let mut params = Params {
            n_groups: (self.matrix.n_cols / 16) as u32,
            n_rows: range.n_rows as u32,
            n_more: second as u32,
            out: out + ((self.matrix.first_col + range.first_row) / 4) as u32,
            first_row: range.first_row as u32,
            fold: if second > 0 { (range.n_rows + second) as u32 } else { range.fold as u32 },
            stride: range.stride as u32,
            ..Params::default()
        };
        if let Some(input) = input {
            input.write(&mut params);
        }
        params
    }
}

impl Params {
    pub(super) fn halved(mut self, batch: &Batch<'_>) -> Self {
        self.n_rows = batch.half_rows() as u32;
        self.n_more = self.n_rows;
        self
    }

    pub(super) fn first_row(&self) -> u32 {
        self.first_row
    }

    pub(super) fn with_input(mut self, x: Span) -> Self {
        self.x = x.values;
        self.codes = x.codes;
        self
    }

    pub(super) fn with_codes(mut self, codes: u32) -> Self {
        self.codes = codes;
        self
    }

    pub(super) fn with_softcap(mut self, softcap: f32) -> Self {
        self.softcap = softcap;
        self
    }
}

fn fit_together(gpu: &Gpu, first: &Matrix, second: &Matrix) -> bool {
    planes_fit_together(first.format, second.format, gpu.limits().max_storage_buffers)
}

/// Whether one dispatch can bind the planes of both formats.
#[must_use]
pub fn planes_fit_together(
    first: &crate::quant::Format,
    second: &crate::quant::Format,
    max_storage_buffers: u64,
) -> bool {
    // A format without codes would force the other one to f32.
    let alike = first.has_codes() == second.has_codes();
    alike && (first.planes.len() + second.planes.len() + BINDINGS_BESIDE_PLANES) as u64 <= max_storage_buffers
}

pub(super) fn grid(n_rows: u64, tuning: Tuning) -> Grid {
    Grid { x: (Extent::Fixed(n_rows), tuning.lanes.rows()), y: (Extent::Fixed(1), 1) }
}
