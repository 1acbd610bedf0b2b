//! Loading of a model on the device that the options choose.

use super::cpu::load::{LoadingModel as LoadingOnCpu, OpenedTeam, n_workers};
use super::gpu::adapter_record::AdapterRecord;
use super::gpu::load::{FoundGpu, LoadingModel as LoadingOnGpu, OpenedDevice};
use super::gpu::{AdapterInfo, Limits};
use super::loaded::Model;
use super::memory::{DeviceKind, MemoryPlan};
use super::options::{DeviceChoice, ModelOptions};
use super::{cpu, gpu};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::gguf::Header;
use crate::model::config::Config;
use crate::source::ByteSource;

/// An open device, without a model.
#[derive(Debug)]
pub enum Opened {
    /// The GPU.
    Gpu(Box<OpenedDevice>),
    /// The CPU.
    Cpu(OpenedTeam),
}

impl Opened {
    /// Opens the device of the options. If they leave the choice open, it is the GPU unless there is none, or
    /// unless its adapter is slow and the CPU faster: no name is asked.
    ///
    /// # Errors
    /// Faults of the device. If the choice is [`DeviceChoice::Auto`], a missing GPU is none.
    pub async fn new(options: &ModelOptions, recall: &dyn Fn(&AdapterInfo) -> AdapterRecord) -> Result<Self> {
        if options.device == DeviceChoice::Cpu {
            return OpenedTeam::new(options).map(Self::Cpu);
        }
        let is_open = options.device == DeviceChoice::Auto && HAS_WORKERS;
        let mut found = match FoundGpu::new(options, recall).await {
            Err(Error::NoWebgpu { .. }) if is_open => return OpenedTeam::new(options).map(Self::Cpu),
            found => found?,
        };
        if is_open && let Some(team) = faster_team(&mut found, options).await? {
            return Ok(Self::Cpu(team.instead_of(found.info().clone())));
        }
        Ok(Self::Gpu(Box::new(found.prepare(options).await?)))
    }
}

/// Speed of an adapter, in gigabytes of weights a second, above which the CPU need not be tried: software adapters
/// are at 3, graphics cards above 30.
const FAST: f64 = 15.0;

/// The workers, if they are faster than the adapter, by its record or by a trial.
async fn faster_team(found: &mut FoundGpu, options: &ModelOptions) -> Result<Option<OpenedTeam>> {
    match found.record().device {
        Some(DeviceKind::Gpu) => return Ok(None),
        Some(DeviceKind::Cpu) => return OpenedTeam::new(options).map(Some),
        None => {}
    }
    let of_gpu = found.measure().await?;
    if of_gpu >= FAST {
        return Ok(None);
    }
    let team = OpenedTeam::new(options)?;
    let of_cpu = team.gigabytes_per_second().await?;
    Ok(Some(team).filter(|_| of_cpu > of_gpu))
}

/// Whether models run on the CPU here.
const HAS_WORKERS: bool = cfg!(not(target_arch = "wasm32"));

/// A model without its weights.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "without a box, a variant that cannot exist takes no code")]
pub enum Loading {
    /// On the GPU.
    Gpu(Box<LoadingOnGpu>),
    /// On the CPU.
    Cpu(LoadingOnCpu),
}

impl Loading {
    /// Allocates everything for the model of a header. `config` is the result of
    /// [`crate::model::tensors::checked_config`].
    ///
    /// # Errors
    /// Errors of the options, [`Error::LimitTooLow`].
    pub fn new(opened: Opened, header: &Header, config: Config, options: &ModelOptions) -> Result<Self> {
        Ok(match opened {
            Opened::Gpu(opened) => Self::Gpu(Box::new(LoadingOnGpu::new(*opened, header, config, options)?)),
            Opened::Cpu(opened) => Self::Cpu(LoadingOnCpu::new(opened, header, config, options)?),
        })
    }

    /// Streams in the weights.
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
        Ok(match self {
            Self::Gpu(loading) => {
                Model::Gpu(Box::new(loading.finish(header, source, cancel, on_bytes).await?))
            }
            Self::Cpu(loading) => Model::Cpu(loading.finish(header, source, cancel, on_bytes).await?),
        })
    }
}

/// Plans the memory of the model of a header, for the device that the options choose. `limits` are those of the
/// adapter, if there is one.
///
/// # Errors
/// Those of [`gpu::memory::plan`] and [`cpu::memory::plan`]. A model that does not fit is none.
pub fn plan_memory(header: &Header, options: &ModelOptions, limits: Option<&Limits>) -> Result<MemoryPlan> {
    let on_cpu = match options.device {
        DeviceChoice::Auto => limits.is_none() && HAS_WORKERS,
        DeviceChoice::Gpu => false,
        DeviceChoice::Cpu => true,
    };
    if on_cpu {
        return cpu::memory::plan(header, options, n_workers(options)?);
    }
    gpu::memory::plan(header, options, &limits.copied().unwrap_or_default())
}
