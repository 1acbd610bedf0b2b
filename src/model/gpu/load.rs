//! Loading of a model. The device compiles the kernels of every model while the caller reads the header, and
//! the others while the caller builds the tokenizer and streams the weights. One workgroup of each kernel
//! runs ahead of the first request.

use std::cell::Cell;

use web_time::Instant;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::gguf::Header;
use crate::gpu::device::{AdapterInfo, PendingScope};
use crate::gpu::shader::{Kernel, Variant};
use crate::gpu::{Command, Gpu, Plan, Tuning};
use crate::kernels::{
    attention_decode, attention_prefill, attention_reduce, geglu_prefill, norm_add, qk_norm_rope, sample,
};
use crate::model::config::Config;
use crate::model::device::{State, Weights};
use crate::model::gpu::adapter_record::AdapterRecord;
use crate::model::gpu::decode::{DecodeState, DecodeStep};
use crate::model::gpu::model::{Model, Plans};
use crate::model::gpu::recorder::Recorder;
use crate::model::gpu::runner::FIRST_ROWS;
use crate::model::gpu::self_test::tested::{Effort, SelfTest, Tested};
use crate::model::gpu::token_ring::TokenRing;
use crate::model::gpu::tuning;
use crate::model::options::ModelOptions;
use crate::model::prefill::Prefill;
use crate::quant::KvType;
use crate::source::ByteSource;

/// A device that was found, with what is known of its adapter.
#[derive(Debug)]
pub struct FoundGpu {
    gpu: Gpu,
    record: AdapterRecord,
}

impl FoundGpu {
    /// Opens the device, and recalls its adapter's record.
    ///
    /// # Errors
    /// [`crate::Error::NoWebgpu`].
    pub async fn new(options: &ModelOptions, recall: &dyn Fn(&AdapterInfo) -> AdapterRecord) -> Result<Self> {
        let gpu = Gpu::open(&options.gpu).await?;
        let record = recall(gpu.info());
        Ok(Self { gpu, record })
    }

    /// The adapter.
    #[must_use]
    pub fn info(&self) -> &AdapterInfo {
        self.gpu.info()
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &AdapterRecord {
        &self.record
    }

    /// Measures the adapter, and notes its variants. Returns gigabytes of weights a second.
    ///
    /// # Errors
    /// Faults of the device.
    pub async fn measure(&mut self) -> Result<f64> {
        let measured = tuning::measure(&self.gpu).await?;
        self.record.tuning = Some(measured.tuning);
        Ok(measured.gigabytes_per_second)
    }

    /// Chooses variants unless `options` or the adapter's record does, and starts to compile the kernels that
    /// do not depend on a header. A browser compiles in another process, while the caller reads a header.
    ///
    /// # Errors
    /// Faults of the device.
    pub async fn prepare(mut self, options: &ModelOptions) -> Result<OpenedDevice> {
        if options.tuning.or(self.record.tuning).is_none() {
            self.measure().await?;
        }
        let Self { gpu, record } = self;
        let tested = if record.tested == Tested::default() { options.tested.clone() } else { record.tested };
        let unmeasured = || Error::Internal { what: "an adapter was not measured".to_owned() };
        let tuning = options.tuning.or(record.tuning).ok_or_else(unmeasured)?;
        let (_, kernels) = gpu.begin_scope("the kernels of any model", || {
            for (kernel, variant) in kernels_of_any_model(options.kv, tuning) {
                gpu.compile(kernel, variant);
            }
            Ok(())
        });
        Ok(OpenedDevice { gpu, tuning, tested, kernels })
    }
}

/// An open device, which may still be compiling the kernels that every model uses.
#[derive(Debug)]
pub struct OpenedDevice {
    gpu: Gpu,
    tuning: Tuning,
    tested: Tested,
    kernels: PendingScope,
}

/// Kernels whose variants do not depend on the weights. A model with weights that have no codes uses the f32
/// variants instead.
fn kernels_of_any_model(kv: KvType, tuning: Tuning) -> [(&'static Kernel, Variant); 7] {
    [
        (&attention_decode::KERNEL, Variant::Kv(kv)),
        (&attention_reduce::KERNEL, Variant::Plain),
        (&sample::KERNEL, Variant::Plain),
        (&qk_norm_rope::KERNEL, Variant::Kv(kv)),
        (&attention_prefill::KERNEL, Variant::KvOperand(kv, tuning)),
        (&norm_add::KERNEL, Variant::Operand(tuning.arithmetic)),
        (&geglu_prefill::KERNEL, Variant::Operand(tuning.arithmetic)),
    ]
}

/// A model without its weights, whose kernels may still be compiling.
#[derive(Debug)]
pub struct LoadingModel {
    model: Model,
    /// Scopes of the buffers, and of the kernels.
    buffers: Vec<PendingScope>,
    kernels: Vec<PendingScope>,
    self_test: SelfTest,
}

impl LoadingModel {
    /// Allocates the buffers and starts to compile the kernels for the model of a header. `config` is the
    /// result of [`crate::model::tensors::checked_config`]. The device compiles while the caller does
    /// something else.
    ///
    /// # Errors
    /// Errors of the options, and [`crate::Error::LimitTooLow`].
    pub fn new(
        opened: OpenedDevice,
        header: &Header,
        config: Config,
        options: &ModelOptions,
    ) -> Result<Self> {
        let OpenedDevice { gpu, tuning, tested, kernels: first } = opened;
        let shape = options.shape(&config)?;
        let (weights, of_weights) =
            gpu.begin_scope("the weights' buffers", || Weights::allocate(&gpu, header, &config));
        let (state, of_state) =
            gpu.begin_scope("the state's buffers", || State::allocate(&gpu, &config, shape));
        let (decode, of_decode) =
            gpu.begin_scope("the buffers of a decode step", || DecodeState::allocate(&gpu, &config));
        let (read, of_read) = gpu.begin_scope("the buffers to read from", || {
            Ok((gpu.staging("logits staging", 4 * config.n_vocab as u64), TokenRing::allocate(&gpu)))
        });
        let (weights, state, decode, (staging, ring)) = (weights?, state?, decode?, read?);
        let (plans, mut kernels) = plans(&gpu, &config, &weights, &state, &decode, tuning)?;
        kernels.insert(0, first);
        let model = Model {
            staging,
            ring,
            rows: Cell::new(FIRST_ROWS.min(shape.chunk)),
            pieces: Cell::new(1),
            readback_ms: 0.0,
            step_ms: Cell::default(),
            last_token: Cell::default(),
            gpu,
            config,
            shape,
            weights,
            state,
            decode,
            plans,
            tuning,
            tested,
            effort: Effort::default(),
        };
        model.gpu.warm_up(&model.plans.all())?;
        Ok(Self {
            model,
            buffers: vec![of_weights, of_state, of_decode, of_read],
            kernels,
            self_test: options.self_test,
        })
    }

    /// Streams in the weights, and waits until everything is compiled, so that the first request finds it
    /// ready.
    ///
    /// # Errors
    /// Errors of the source, faults of the device.
    pub async fn finish<S: ByteSource>(
        self,
        header: &Header,
        source: &mut S,
        cancel: &Cancel,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Model> {
        let Self { mut model, buffers, kernels, self_test } = self;
        let streamed = model.weights.stream(&model.gpu, header, source, cancel, on_bytes).await;
        // If there was no memory for a buffer, that is the cause of every later failure.
        for scope in buffers {
            model.gpu.end_scope(scope).await?;
        }
        streamed?;
        for scope in kernels {
            model.gpu.end_scope(scope).await?;
        }
        cancel.check()?;
        model.self_test(self_test).await?;
        model.measure_readback().await?;
        Ok(model)
    }
}

/// Plans of a model, and the scopes of their kernels.
pub(super) fn plans(
    gpu: &Gpu,
    config: &Config,
    weights: &Weights<Gpu>,
    state: &State<Gpu>,
    decode: &DecodeState,
    tuning: Tuning,
) -> Result<(Plans, Vec<PendingScope>)> {
    let step = DecodeStep { config, weights, state, decode, gpu, tuning };
    let (recorded, decode_scope) = gpu.begin_scope("the kernels of a decode step", || {
        Ok((step.logits(), step.head_alone(), step.sample()))
    });
    let (decode, head, sample) = recorded?;
    let (prefill, prefill_scope): (Result<Plan>, _) = gpu.begin_scope("the kernels of the prefill", || {
        let mut recorder = Recorder::new(gpu, config, weights, tuning, "prefill");
        Prefill { config, weights, state }.blocks(&mut recorder);
        Ok(recorder.finish())
    });
    Ok((Plans { prefill: prefill?, head, decode, sample }, vec![decode_scope, prefill_scope]))
}

impl Model {
    /// Waits for all submitted work, then measures a read-back on the idle GPU.
    async fn measure_readback(&mut self) -> Result<()> {
        self.gpu.finish().await?;
        let begun = Instant::now();
        let read = Command::copy(&self.decode.block_max, &self.staging, 4);
        self.gpu.run(&[read])?;
        self.gpu.read_f32(&self.staging, 4).await?;
        self.readback_ms = begun.elapsed().as_secs_f64() * 1e3;
        Ok(())
    }
}
