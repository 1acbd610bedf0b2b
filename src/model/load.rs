//! Loading: everything is allocated and set compiling first and one token is run, while the weights are streamed in.

use std::cell::{Cell, OnceCell};

use web_time::Instant;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::gguf::Header;
use crate::gpu::device::Verdict;
use crate::gpu::{Gpu, Plan, Step, Tuning, Work};
use crate::model::Config;
use crate::model::choices::Choices;
use crate::model::decode::{self, Decode};
use crate::model::forward::Page;
use crate::model::options::ModelOptions;
use crate::model::runner::{FIRST_ROWS, Model, Plans};
use crate::model::state::State;
use crate::model::tuning;
use crate::model::weights::Weights;
use crate::source::ByteSource;

/// A model without its weights, whose kernels are perhaps still being compiled.
#[derive(Debug)]
pub struct Prepared {
    model: Model,
    verdicts: Vec<Verdict>,
}

impl Prepared {
    /// Opens the device, allocates, and has the kernels compiled, for the model of a header whose `config` is
    /// [`crate::model::tensors::checked_config`]'s. Compiling goes on while the caller does something else.
    ///
    /// # Errors
    /// Those of the options and the device.
    pub async fn new(header: &Header, config: Config, options: &ModelOptions) -> Result<Self> {
        let extents = options.extents(&config)?;
        let gpu = Gpu::open(&options.gpu).await?;
        let weights =
            gpu.checked("the weights' buffers", || Weights::allocate(&gpu, header, &config)).await?;
        let state = gpu.checked("the state's buffers", || State::allocate(&gpu, &config, extents)).await?;
        let decode = gpu.checked("the buffers of a decode step", || Decode::allocate(&gpu, &config)).await?;
        let tuning = match options.tuning {
            Some(tuning) => tuning,
            None => tuning::measure(&gpu).await?,
        };
        let (plans, verdicts) = plans(&gpu, &config, &weights, &state, &decode, tuning)?;
        let model = Model {
            staging: gpu.staging("logits staging", 4 * config.n_vocab as u64),
            choices: Choices::allocate(&gpu),
            rows: Cell::new(FIRST_ROWS.min(extents.chunk)),
            readback_ms: 0.0,
            step_ms: Cell::default(),
            last_choice: Cell::default(),
            scorer: OnceCell::new(),
            gpu,
            config,
            extents,
            weights,
            state,
            decode,
            plans,
            tuning,
        };
        model.run_in()?;
        Ok(Self { model, verdicts })
    }

    /// Streams in the weights, and waits until everything is compiled, so that the first request finds it ready.
    ///
    /// # Errors
    /// Those of the source and the device.
    pub async fn finish<S: ByteSource>(
        self,
        header: &Header,
        source: &mut S,
        cancel: &Cancel,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Model> {
        let Self { mut model, verdicts } = self;
        model.weights.stream(&model.gpu, header, source, cancel, on_bytes).await?;
        for verdict in verdicts {
            model.gpu.heard(verdict).await?;
        }
        cancel.check()?;
        model.warm_up().await?;
        Ok(model)
    }
}

fn plans(
    gpu: &Gpu,
    config: &Config,
    weights: &Weights,
    state: &State,
    decode: &Decode,
    tuning: Tuning,
) -> Result<(Plans, Vec<Verdict>)> {
    let page = decode::Page { config, weights, state, decode, gpu, tuning };
    let prefill = Page { config, weights, state, gpu, tuning };
    let (made, decode_verdict) =
        gpu.scoped("the kernels of a decode step", || Ok((page.step(), page.head(), page.choose())));
    let (step, head, choose) = made?;
    let (prefill, prefill_verdict): (Result<Plan>, _) =
        gpu.scoped("the kernels of the prefill", || Ok(prefill.blocks()));
    Ok((Plans { prefill: prefill?, head, step, choose }, vec![decode_verdict, prefill_verdict]))
}

impl Model {
    /// Has one token run, of weights that are still zero: some drivers compile no sooner, and they can while the weights arrive.
    fn run_in(&self) -> Result<()> {
        self.gpu.write(&self.state.ids, 0, bytemuck::bytes_of(&0u32));
        let step = Step { n_tokens: 1, ..Step::default() };
        self.gpu.run_works(&[Work::Plan(&self.plans.step, step)])
    }

    /// Waits for everything so far, and measures a read-back on the then idle GPU.
    async fn warm_up(&mut self) -> Result<()> {
        self.gpu.finish().await?;
        let begun = Instant::now();
        let read = Work::Copy { from: &self.decode.block_max, offset: 0, to: &self.staging, bytes: 4 };
        self.gpu.run_works(&[read])?;
        self.gpu.read_f32(&self.staging, 4).await?;
        self.readback_ms = begun.elapsed().as_secs_f64() * 1e3;
        Ok(())
    }
}
