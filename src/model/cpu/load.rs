//! Loading of a model on the CPU: the workers allocate their shares, and each takes its rows of the bytes that stream in.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::cancel::Cancel;
use crate::cpu::lanes::Isa;
use crate::cpu::plan::Job;
use crate::cpu::team::{self, HasWorkers, Team};
use crate::error::{Error, Result};
use crate::gguf::{Header, TensorInfo};
use crate::model::config::Config;
use crate::model::cpu::memory::{bytes, worker_spec};
use crate::model::cpu::model::{FIRST_ROWS, Model, Processor};
use crate::model::cpu::share::Share;
use crate::model::cpu::tensors::Place;
use crate::model::cpu::trial;
use crate::model::gpu::AdapterInfo;
use crate::model::memory::DeviceBytes;
use crate::model::options::ModelOptions;
use crate::source::ByteSource;

/// Bytes read and handed out at once.
const CHUNK_BYTES: u64 = 4 << 20;

/// Workers without a model.
#[derive(Debug)]
pub struct OpenedTeam {
    team: Rc<dyn Team>,
    proof: HasWorkers,
    instruction_set: &'static str,
    slow_adapter: Option<AdapterInfo>,
}

/// Number of workers: one for each core, unless `options` says how many.
///
/// # Errors
/// [`Error::InvalidOption`] for a number of threads out of range.
#[cfg(not(target_arch = "wasm32"))]
pub fn n_workers(options: &ModelOptions) -> Result<usize> {
    const MOST: usize = 256;
    match options.threads.unwrap_or_else(crate::cpu::threads::n_cores) {
        n if (1..=MOST).contains(&n) => Ok(n),
        n => Err(Error::invalid_option("threads", n, format!("1 to {MOST}"))),
    }
}

/// There are no workers in a browser yet.
///
/// # Errors
/// [`Error::InvalidOption`].
#[cfg(target_arch = "wasm32")]
pub fn n_workers(_: &ModelOptions) -> Result<usize> {
    Err(Error::invalid_option("device", "cpu", "gpu: in a browser, models run on the GPU only"))
}

impl OpenedTeam {
    /// Starts the workers.
    ///
    /// # Errors
    /// Those of [`n_workers`]; [`Error::Internal`] if the system starts no thread.
    pub fn new(options: &ModelOptions) -> Result<Self> {
        let n_workers = n_workers(options)?;
        let isa = Isa::detect();
        let (team, proof) = start(n_workers, isa)?;
        Ok(Self { team, proof, instruction_set: isa.name(), slow_adapter: None })
    }

    /// Gigabytes of weights that the workers multiply in a second, by a trial.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if a worker is gone.
    pub async fn gigabytes_per_second(&self) -> Result<f64> {
        trial::gigabytes_per_second(self.team.as_ref()).await
    }

    /// Notes the adapter of a GPU that is slower.
    #[must_use]
    pub fn instead_of(self, adapter: AdapterInfo) -> Self {
        Self { slow_adapter: Some(adapter), ..self }
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn start(n_workers: usize, isa: Isa) -> Result<(Rc<dyn Team>, HasWorkers)> {
    let threads = crate::cpu::threads::Threads::start(n_workers, isa)?;
    let proof = threads.proof();
    Ok((Rc::new(threads), proof))
}

#[cfg(target_arch = "wasm32")]
fn start(_: usize, _: Isa) -> Result<(Rc<dyn Team>, HasWorkers)> {
    Err(Error::Internal { what: "there are no workers in a browser".to_owned() })
}

/// A model without its weights.
#[derive(Debug)]
pub struct LoadingModel {
    model: Model,
    places: Vec<(String, Place)>,
}

impl LoadingModel {
    /// Has each worker allocate its share. `config` is the result of [`crate::model::tensors::checked_config`].
    ///
    /// # Errors
    /// Errors of the options.
    pub fn new(opened: OpenedTeam, header: &Header, config: Config, options: &ModelOptions) -> Result<Self> {
        let OpenedTeam { team, proof, instruction_set, slow_adapter } = opened;
        let shape = options.shape(&config)?;
        let workers = team.n_workers();
        let shares = Share::all(&config, workers);
        let (mut total, mut places) = (DeviceBytes::default(), Vec::new());
        for (worker, share) in shares.iter().enumerate() {
            let spec;
            (spec, places) = worker_spec(header, &config, shape, share, options.is_exact())?;
            total = total + bytes(&spec);
            // Jobs are done in order: nobody has to wait for this one.
            drop(team.send(worker, Job::Allocate(Box::new(spec))));
        }
        let model = Model {
            team,
            _proof: proof,
            config,
            shape,
            shares,
            processor: Processor { instruction_set, workers, exact: options.is_exact() },
            bytes: total,
            slow_adapter,
            swapped_bytes: Rc::default(),
            next_copy: Cell::new(0),
            rows: Cell::new(FIRST_ROWS.min(shape.chunk)),
        };
        Ok(Self { model, places })
    }

    /// Streams in the weights.
    ///
    /// # Errors
    /// Errors of the source, [`Error::DeviceLost`] if a worker is gone.
    pub async fn finish<S: ByteSource>(
        self,
        header: &Header,
        source: &mut S,
        cancel: &Cancel,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Model> {
        let Self { model, places } = self;
        let mut tensors: Vec<&TensorInfo> = header.tensors.iter().collect();
        tensors.sort_by_key(|t| t.offset);
        let mut pending = Vec::new();
        for tensor in tensors {
            let Some((_, place)) = places.iter().find(|(name, _)| *name == tensor.name) else { continue };
            let (row_bytes, rows_per_chunk) = rows(tensor, *place);
            for first_row in (0..tensor.bytes / row_bytes).step_by(rows_per_chunk as usize) {
                cancel.check()?;
                let offset = first_row * row_bytes;
                let mut raw = vec![0; (rows_per_chunk * row_bytes).min(tensor.bytes - offset) as usize];
                source.read(tensor.offset + offset, &mut raw, cancel).await?;
                on_bytes(tensor.offset + offset + raw.len() as u64);
                let job = write(*place, first_row, tensor, raw);
                // While the workers take these bytes, the next ones are read.
                for answer in std::mem::take(&mut pending) {
                    team::reply(answer).await?;
                }
                pending = (0..model.shares.len()).map(|w| model.team.send(w, job.clone())).collect();
            }
        }
        for answer in pending {
            team::reply(answer).await?;
        }
        cancel.check()?;
        Ok(model)
    }
}

/// Bytes of a row, and rows of a chunk; a vector is one row.
fn rows(tensor: &TensorInfo, place: Place) -> (u64, u64) {
    match place {
        Place::Matrix(_) => {
            let row_bytes = tensor.format.bytes_of(tensor.shape.first().copied().unwrap_or(1));
            (row_bytes, (CHUNK_BYTES / row_bytes).max(1))
        }
        Place::Vector(_) => (tensor.bytes, 1),
    }
}

fn write(place: Place, first_row: u64, tensor: &TensorInfo, raw: Vec<u8>) -> Job {
    match place {
        Place::Matrix(matrix) => {
            Job::WriteRows { matrix, first_row: first_row as usize, blocks: Arc::from(raw) }
        }
        Place::Vector(vector) => {
            let mut values = Vec::new();
            tensor.format.decode(&raw, &mut values);
            Job::WriteVector { vector, values: Arc::from(values) }
        }
    }
}
