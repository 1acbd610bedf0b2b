//! The adapter and the device: opened once, with the adapter's own limits; no optional feature is needed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::accounts::{Accounts, MemoryKind};
use super::adapter;
use super::limits::Limits;
use super::options::GpuOptions;
use crate::error::{Error, Result};

/// Description of the adapter as it gives it, and the limits in use.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdapterInfo {
    /// The adapter's name; in a browser its description, which may be empty.
    pub name: String,
    /// `Vulkan`, `Metal`, `Dx12` or `BrowserWebGpu`.
    pub backend: String,
    /// Driver and version, if known.
    pub driver: String,
    /// Whether kernels compute sums by subgroups.
    pub subgroups: bool,
    /// Limits in use: the adapter's, or lower ones on request.
    #[serde(flatten)]
    pub limits: Limits,
}

/// Running totals since the device was made. They don't depend on the machine's speed.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Compute dispatches recorded.
    pub dispatches: u64,
    /// Compute passes recorded.
    pub passes: u64,
    /// Queue submissions.
    pub submits: u64,
    /// Buffers, bind groups, pipelines and shader modules created.
    pub objects: u64,
    /// Objects created outside an error scope, whose failure would show only later.
    #[serde(skip)]
    pub unscoped: u64,
    /// Bytes mapped for reading.
    pub bytes_read: u64,
    /// Bytes written by the queue.
    pub bytes_written: u64,
}

/// A device with its queue, its memory accounts and its compiled pipelines.
#[derive(Debug)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) counters: RefCell<Counters>,
    /// Bytes written since the last submission.
    pub(super) bytes_pending: Cell<u64>,
    pub(super) last_submission: RefCell<Option<wgpu::SubmissionIndex>>,
    pub(super) accounts: Rc<Accounts>,
    /// Whether an error scope is open.
    scope_is_open: Cell<bool>,
    pub(super) pipelines: RefCell<HashMap<String, wgpu::ComputePipeline>>,
    /// First error that no scope caught: a lost device or a refused command.
    first_error: Arc<Mutex<Option<Error>>>,
    info: AdapterInfo,
    #[cfg(debug_assertions)]
    pub(super) inject: Option<super::options::FaultInjection>,
}

impl Gpu {
    /// Opens the adapter that `options` names, or the platform's preferred one.
    ///
    /// # Errors
    /// [`Error::NoWebgpu`] if there is no adapter, none of that name, or it gives no device.
    pub async fn open(options: &GpuOptions) -> Result<Self> {
        let adapter = adapter::pick(options).await?;
        let limits = adapter.limits();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("gemma-web"),
            required_limits: limits.clone(),
            required_features: wanted_features(&adapter, options),
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|e| Error::NoWebgpu { why: format!("the GPU adapter gave no device ({e})") })?;
        let subgroups = !options.without_subgroups && has_subgroups(&device);
        let first_error = Arc::new(Mutex::new(None));
        watch(&device, &first_error);
        let about = adapter.get_info();
        let cap = |offered: u64, asked: Option<u64>| offered.min(asked.unwrap_or(u64::MAX)) & !255;
        let info = AdapterInfo {
            name: about.name,
            backend: format!("{:?}", about.backend),
            driver: format!("{} {}", about.driver, about.driver_info).trim().to_owned(),
            subgroups,
            limits: Limits {
                max_binding_bytes: cap(limits.max_storage_buffer_binding_size, options.max_binding_bytes),
                max_buffer_bytes: cap(limits.max_buffer_size, options.max_buffer_bytes),
                binding_alignment: u64::from(limits.min_storage_buffer_offset_alignment),
                max_storage_buffers: u64::from(limits.max_storage_buffers_per_shader_stage),
            },
        };
        Ok(Self {
            device,
            queue,
            counters: RefCell::default(),
            bytes_pending: Cell::default(),
            last_submission: RefCell::default(),
            accounts: Rc::default(),
            scope_is_open: Cell::default(),
            pipelines: RefCell::default(),
            first_error,
            info,
            #[cfg(debug_assertions)]
            inject: options.inject,
        })
    }

    /// Description of the adapter.
    #[must_use]
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// Whether kernels compute sums by subgroups.
    #[must_use]
    pub fn subgroups(&self) -> bool {
        self.info.subgroups
    }

    /// Switches subgroups off (or on again): the self-test does so if sums by subgroups are wrong.
    pub(crate) fn set_subgroups(&mut self, subgroups: bool) {
        self.info.subgroups = subgroups;
    }

    /// Limits in use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.info.limits
    }

    /// Totals since the device was made.
    #[must_use]
    pub fn counters(&self) -> Counters {
        *self.counters.borrow()
    }

    pub(super) fn count_objects(&self, n: u64) {
        let mut counters = self.counters.borrow_mut();
        counters.objects += n;
        counters.unscoped += if self.scope_is_open.get() { 0 } else { n };
    }

    /// Bytes of the live buffers of one kind.
    #[must_use]
    pub fn bytes_of(&self, kind: MemoryKind) -> u64 {
        self.accounts.bytes_of(kind)
    }

    /// # Errors
    /// The first fault reported outside an error scope: [`Error::DeviceLost`], [`Error::OutOfMemory`] or
    /// [`Error::Gpu`].
    pub fn check(&self) -> Result<()> {
        match self.first_error.lock() {
            Ok(slot) => slot.clone().map_or(Ok(()), Err),
            Err(_) => Err(Error::Internal { what: "the slot of the first error is poisoned".to_owned() }),
        }
    }

    /// # Errors
    /// [`Error::DeviceLost`].
    pub(super) fn check_lost(&self) -> Result<()> {
        match self.check() {
            Err(lost @ Error::DeviceLost { .. }) => Err(lost),
            _ => Ok(()),
        }
    }

    /// A function that destroys the device, as a driver may at any time: for tests.
    pub(crate) fn destroyer(&self) -> impl Fn() + use<> {
        let device = self.device.clone();
        move || device.destroy()
    }

    /// Runs `make` in an error scope, then asks the device whether it refused anything.
    ///
    /// # Errors
    /// The error of `make`, [`Error::OutOfMemory`], or [`Error::Gpu`] naming `what`.
    pub async fn in_scope<T>(&self, what: &str, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let (made, scope) = self.begin_scope(what, make);
        self.end_scope(scope).await?;
        made
    }

    /// Runs `make` in an error scope without waiting for the device's answer, which [`Gpu::end_scope`]
    /// awaits: meanwhile a browser compiles in another process.
    pub fn begin_scope<T>(&self, what: &str, make: impl FnOnce() -> Result<T>) -> (Result<T>, PendingScope) {
        let (held, opened) = (self.accounts.total(), self.accounts.opened());
        let outer = self.scope_is_open.replace(true);
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        let refused = Box::pin(validation.pop());
        let short = Box::pin(memory.pop());
        self.scope_is_open.set(outer);
        let asked = self.accounts.opened() - opened;
        (made, PendingScope { what: what.to_owned(), refused, short, asked, held })
    }

    /// Waits for the device's answer to the work in a scope of [`Gpu::begin_scope`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Gpu`], or an earlier fault.
    pub async fn end_scope(&self, scope: PendingScope) -> Result<()> {
        let PendingScope { what, refused, short, asked, held } = scope;
        let (refused, short) = (refused.await, short.await);
        if let Some(e) = refused {
            if let lost @ Err(Error::DeviceLost { .. }) = self.device_error(true).await {
                return lost;
            }
            return Err(Error::Gpu { what, why: e.to_string() });
        }
        if short.is_some() {
            return Err(Error::OutOfMemory { what, asked, held });
        }
        self.device_error(false).await
    }
}

type PoppedScope = Pin<Box<dyn Future<Output = Option<wgpu::Error>>>>;

/// An error scope whose answer is pending.
pub struct PendingScope {
    what: String,
    refused: PoppedScope,
    short: PoppedScope,
    /// Bytes requested in the scope, and held before it.
    asked: u64,
    held: u64,
}

impl std::fmt::Debug for PendingScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingScope").field("what", &self.what).finish_non_exhaustive()
    }
}

/// Keeps the first fault outside the scopes of [`Gpu::in_scope`], so that the next read-back reports it.
fn watch(device: &wgpu::Device, first_error: &Arc<Mutex<Option<Error>>>) {
    let slot = Arc::clone(first_error);
    device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
        if let Ok(mut slot) = slot.lock() {
            slot.get_or_insert(Error::Gpu { what: "a command".to_owned(), why: e.to_string() });
        }
    }));
    let slot = Arc::clone(first_error);
    // A lost device explains all other faults. If the engine itself destroys the device, nobody reads the
    // error.
    device.set_device_lost_callback(move |reason, message| {
        if let Ok(mut slot) = slot.lock() {
            *slot = Some(Error::DeviceLost { why: format!("{reason:?}: {message}") });
        }
    });
}

/// Optional features that make kernels faster, as far as the adapter has them.
fn wanted_features(adapter: &wgpu::Adapter, options: &GpuOptions) -> wgpu::Features {
    let mut wanted = wgpu::Features::empty();
    wanted.set(wgpu::Features::SUBGROUP, !options.without_subgroups);
    wanted.set(wgpu::Features::TIMESTAMP_QUERY, !options.without_timestamps);
    adapter.features() & wanted
}

#[cfg(not(target_arch = "wasm32"))]
fn has_subgroups(device: &wgpu::Device) -> bool {
    device.features().contains(wgpu::Features::SUBGROUP)
}

/// wgpu's web backend neither asks for subgroups nor sees them (<https://github.com/gfx-rs/wgpu/pull/10220>):
/// www/lib/engine/gpu-shim.ts asks, and the browser's own device says whether it has them.
#[cfg(target_arch = "wasm32")]
fn has_subgroups(device: &wgpu::Device) -> bool {
    use wasm_bindgen::JsCast;
    let features = device.as_webgpu().map(|device| js_sys::Reflect::get(device, &"features".into()));
    let Some(Ok(features)) = features else { return false };
    // GPUSupportedFeatures is set-like.
    let has = js_sys::Reflect::get(&features, &"has".into())
        .ok()
        .and_then(|f| f.dyn_into::<js_sys::Function>().ok());
    has.and_then(|has| has.call1(&features, &"subgroups".into()).ok())
        .is_some_and(|granted| granted.is_truthy())
}
