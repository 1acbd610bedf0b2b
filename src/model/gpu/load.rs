//! Loading: kernels compile while the header is read, the others while the tokenizer is built and the weights are streamed in; one
//! workgroup of each is run.

use std::cell::Cell;

use web_time::Instant;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::gguf::Header;
use crate::gpu::device::{AdapterInfo, Verdict};
use crate::gpu::shader::{Kernel, Variant};
use crate::gpu::{Gpu, KvType, Plan, Tuning, Work};
use crate::kernels::{attend, attention, geglu, merge, norm_add, rotate, sample};
use crate::model::Config;
use crate::model::adapter_record::AdapterRecord;
use crate::model::choices::Choices;
use crate::model::decode::{self, Decode};
use crate::model::forward::Page;
use crate::model::options::ModelOptions;
use crate::model::runner::{FIRST_ROWS, Model, Plans};
use crate::model::self_test::{Effort, SelfTest, Tested};
use crate::model::state::State;
use crate::model::tuning;
use crate::model::weights::Weights;
use crate::source::ByteSource;

/// A device for which the kernels that any model takes are perhaps still being compiled.
#[derive(Debug)]
pub struct Opened {
    gpu: Gpu,
    tuning: Tuning,
    tested: Tested,
    verdict: Verdict,
}

impl Opened {
    /// Opens the device, chooses variants unless `options` or the adapter's record does, and has the kernels compiled that depend on
    /// nothing else. In a browser that happens in another process, while the caller reads a header.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn new(options: &ModelOptions, recall: &dyn Fn(&AdapterInfo) -> AdapterRecord) -> Result<Self> {
        let gpu = Gpu::open(&options.gpu).await?;
        let record = recall(gpu.info());
        let tested = if record.tested == Tested::default() { options.tested.clone() } else { record.tested };
        let tuning = match options.tuning.or(record.tuning) {
            Some(tuning) => tuning,
            None => tuning::measure(&gpu).await?,
        };
        let (_, verdict) = gpu.scoped("the kernels of any model", || {
            for (kernel, variant) in kernels_of_any_model(options.kv, tuning) {
                gpu.compile(kernel, variant);
            }
            Ok(())
        });
        Ok(Self { gpu, tuning, tested, verdict })
    }
}

/// Kernels in variants that no weights decide. A model with weights that have no codes takes others of arithmetic f32 instead.
fn kernels_of_any_model(kv: KvType, tuning: Tuning) -> [(&'static Kernel, Variant); 7] {
    [
        (&attend::KERNEL, kv.variant()),
        (&merge::KERNEL, Variant::Plain),
        (&sample::KERNEL, Variant::Plain),
        (&rotate::KERNEL, kv.variant()),
        (&attention::KERNEL, Variant::KvOperand(kv, tuning)),
        (&norm_add::KERNEL, Variant::Operand(tuning.arithmetic)),
        (&geglu::KERNEL, Variant::Operand(tuning.arithmetic)),
    ]
}

/// A model without its weights, whose kernels are perhaps still being compiled.
#[derive(Debug)]
pub struct Prepared {
    model: Model,
    /// What the device will say of the buffers, and of the kernels.
    buffers: Vec<Verdict>,
    kernels: Vec<Verdict>,
    self_test: SelfTest,
}

impl Prepared {
    /// Allocates and has the kernels compiled, for the model of a header whose `config` is
    /// [`crate::model::tensors::checked_config`]'s. Compiling goes on while the caller does something else.
    ///
    /// # Errors
    /// Those of the options, and [`crate::Error::LimitTooLow`].
    pub fn new(opened: Opened, header: &Header, config: Config, options: &ModelOptions) -> Result<Self> {
        let Opened { gpu, tuning, tested, verdict } = opened;
        let extents = options.extents(&config)?;
        let (weights, of_weights) =
            gpu.scoped("the weights' buffers", || Weights::allocate(&gpu, header, &config));
        let (state, of_state) = gpu.scoped("the state's buffers", || State::allocate(&gpu, &config, extents));
        let (decode, of_decode) =
            gpu.scoped("the buffers of a decode step", || Decode::allocate(&gpu, &config));
        let (read, of_read) = gpu.scoped("the buffers to read from", || {
            Ok((gpu.staging("logits staging", 4 * config.n_vocab as u64), Choices::allocate(&gpu)))
        });
        let (weights, state, decode, (staging, choices)) = (weights?, state?, decode?, read?);
        let (plans, mut kernels) = plans(&gpu, &config, &weights, &state, &decode, tuning)?;
        kernels.insert(0, verdict);
        let model = Model {
            staging,
            choices,
            rows: Cell::new(FIRST_ROWS.min(extents.chunk)),
            pieces: Cell::new(1),
            readback_ms: 0.0,
            step_ms: Cell::default(),
            last_choice: Cell::default(),
            gpu,
            config,
            extents,
            weights,
            state,
            decode,
            plans,
            tuning,
            tested,
            effort: Effort::default(),
        };
        model.gpu.run_in(&model.plans.all())?;
        Ok(Self {
            model,
            buffers: vec![of_weights, of_state, of_decode, of_read],
            kernels,
            self_test: options.self_test,
        })
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
        let Self { mut model, buffers, kernels, self_test } = self;
        let streamed = model.weights.stream(&model.gpu, header, source, cancel, on_bytes).await;
        // Buffers that there was no memory for are the cause of whatever failed after them.
        for verdict in buffers {
            model.gpu.heard(verdict).await?;
        }
        streamed?;
        for verdict in kernels {
            model.gpu.heard(verdict).await?;
        }
        cancel.check()?;
        model.self_test(self_test).await?;
        model.warm_up().await?;
        Ok(model)
    }
}

pub(super) fn plans(
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
