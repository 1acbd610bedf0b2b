//! Read-back of GPU bytes: one async function for native and web.

#[cfg(target_arch = "wasm32")]
use std::pin::pin;

use futures_channel::oneshot;
#[cfg(target_arch = "wasm32")]
use futures_util::future::{Either, select};

use super::accounts::MemoryKind;
use super::buffer::Buffer;
use super::device::Gpu;
use crate::error::{Error, Result};

/// Time within which a browser reports that a device is lost, in milliseconds.
#[cfg(target_arch = "wasm32")]
const LOST_MS: u32 = 1000;

/// A pending read-back.
#[derive(Debug)]
pub struct Pending {
    mapped: oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>,
    bytes: u64,
    submission: Option<wgpu::SubmissionIndex>,
}

impl Gpu {
    /// A buffer that results are copied to and mapped from.
    #[must_use]
    pub fn staging(&self, label: &str, bytes: u64) -> Buffer {
        self.buffer(
            MemoryKind::Scratch,
            label,
            bytes,
            wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        )
    }

    /// Waits for the submitted work and returns the first `bytes` bytes of a staging buffer as f32.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] or [`Error::Gpu`] if the work failed.
    pub async fn read_f32(&self, staging: &Buffer, bytes: u64) -> Result<Vec<f32>> {
        self.read_back(self.request(staging, bytes), staging).await
    }

    /// Requests the first `bytes` bytes of a staging buffer, as the work submitted so far leaves them.
    #[must_use]
    pub fn request(&self, staging: &Buffer, bytes: u64) -> Pending {
        let (done, mapped) = oneshot::channel();
        staging.raw.map_async(wgpu::MapMode::Read, 0..bytes, move |result| {
            // The receiver is gone only if the reader was dropped.
            let _ = done.send(result);
        });
        Pending { mapped, bytes, submission: self.last_submission.borrow().clone() }
    }

    /// Waits for a read-back, but not for work that was submitted after its request.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] or [`Error::Gpu`] if the work failed.
    pub async fn read_back<T: bytemuck::Pod>(&self, pending: Pending, staging: &Buffer) -> Result<Vec<T>> {
        let Pending { mapped, bytes, submission } = pending;
        let refused = |why: String| Error::Gpu { what: "a read-back".to_owned(), why };
        // A mapping ends if the device is lost before anybody reads it.
        let view = match self.settle(mapped, submission).await {
            Ok(Ok(())) => staging.raw.get_mapped_range(0..bytes).map_err(|e| refused(e.to_string())),
            Ok(Err(e)) => Err(refused(e.to_string())),
            Err(e) => Err(refused(e.to_string())),
        };
        self.device_error(view.is_err()).await?;
        let view = view?;
        self.counters.borrow_mut().bytes_read += bytes;
        let values = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        staging.raw.unmap();
        Ok(values)
    }

    /// Submits the writes made so far and waits for them: until then their bytes are held twice.
    ///
    /// # Errors
    /// As [`Gpu::finish`].
    pub async fn flush(&self) -> Result<()> {
        self.submit([]);
        self.finish().await
    }

    /// Waits until everything submitted is done.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] or [`Error::Gpu`] if the work failed.
    pub async fn finish(&self) -> Result<()> {
        let (done, finished) = oneshot::channel();
        self.queue.on_submitted_work_done(move || {
            // The receiver is gone only if the waiter was dropped.
            let _ = done.send(());
        });
        let result = self.settle(finished, None).await;
        self.device_error(result.is_err()).await?;
        result.map_err(|e| Error::Gpu { what: "a submission".to_owned(), why: e.to_string() })
    }

    /// The device's first error, if any. If something `failed`, polls the device first: most faults are
    /// consequences of a lost device.
    ///
    /// # Errors
    /// As [`Gpu::check`].
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) async fn device_error(&self, failed: bool) -> Result<()> {
        if failed {
            // Callbacks report the result.
            let _ = self.device.poll(wgpu::PollType::Poll);
        }
        self.check()
    }

    /// The device's first error, if any. If something `failed`, waits for a report of the device's loss: most
    /// faults are consequences of a lost device, which a browser reports a little later.
    ///
    /// # Errors
    /// As [`Gpu::check`].
    #[cfg(target_arch = "wasm32")]
    pub(super) async fn device_error(&self, failed: bool) -> Result<()> {
        for _ in 0..LOST_MS {
            match self.check() {
                Ok(()) if failed => {}
                Err(Error::Gpu { .. }) => {}
                known => return known,
            }
            sleep_ms(1).await;
        }
        self.check()
    }

    /// Polls until the answer has arrived: a wait alone may end before the callback has run.
    #[cfg(not(target_arch = "wasm32"))]
    async fn settle<T>(
        &self,
        mut mapped: oneshot::Receiver<T>,
        mut submission: Option<wgpu::SubmissionIndex>,
    ) -> Result<T, oneshot::Canceled> {
        loop {
            let polled =
                self.device.poll(wgpu::PollType::Wait { submission_index: submission.take(), timeout: None });
            if let Some(answer) = mapped.try_recv()? {
                return Ok(answer);
            }
            match polled {
                Ok(_) | Err(wgpu::PollError::Timeout) => {}
                // The device is lost, which `check` reports.
                Err(_) => return Err(oneshot::Canceled),
            }
        }
    }

    /// Firefox looks at pending maps only every 100 ms or so, and at every submission (Bugzilla 1870699):
    /// empty submissions while one is pending bring it down to a timer's tick. Elsewhere the map resolves
    /// first and few or none are made.
    #[cfg(target_arch = "wasm32")]
    async fn settle<T>(
        &self,
        mapped: oneshot::Receiver<T>,
        _submission: Option<wgpu::SubmissionIndex>,
    ) -> Result<T, oneshot::Canceled> {
        let ticking = async {
            while self.check().is_ok() {
                sleep_ms(1).await;
                self.queue.submit([]);
            }
        };
        // No specification says how a map ends if its device is lost.
        match select(mapped, pin!(ticking)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(oneshot::Canceled),
        }
    }
}

/// Waits `ms` milliseconds, so that other work gets its turn.
#[cfg(target_arch = "wasm32")]
pub(crate) async fn sleep_ms(ms: i32) {
    use wasm_bindgen::JsCast;
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let timer = js_sys::Reflect::get(&js_sys::global(), &"setTimeout".into());
        match timer.map(JsCast::dyn_into::<js_sys::Function>) {
            Ok(Ok(timer)) => drop(timer.call2(&js_sys::global(), &resolve, &ms.into())),
            _ => drop(resolve.call0(&js_sys::global())),
        }
    });
    drop(wasm_bindgen_futures::JsFuture::from(promise).await);
}
