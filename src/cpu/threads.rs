//! A team of threads, which exchange through shared memory.

use std::hint::spin_loop;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;

use crate::cpu::lanes::Isa;
use crate::cpu::link::Link;
use crate::cpu::plan::{Job, Reply};
use crate::cpu::team::{Answer, HasWorkers, Team, lost};
use crate::cpu::worker::Worker;
use crate::error::{Error, Result};

/// Rounds of polling before a thread sleeps, some tens of microseconds: with free cores the others arrive within them, and on a
/// busy core a thread that polls on takes the time of those that it waits for.
const POLLS: usize = 2000;

/// Number of threads that can run at once.
#[must_use]
pub fn n_cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

type Envelope = (Job, oneshot::Sender<Result<Reply>>);

/// Threads, each with a worker.
#[derive(Debug)]
pub struct Threads {
    senders: Vec<Sender<Envelope>>,
    handles: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Threads {
    /// Starts `n_workers` threads.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system starts no thread.
    pub fn start(n_workers: usize, isa: Isa) -> Result<Self> {
        let shared = Arc::new(Shared::new(n_workers));
        let mut threads = Self { senders: Vec::new(), handles: Vec::new(), shared };
        for index in 0..n_workers {
            let (sender, receiver) = channel();
            let link = SharedLink { shared: Arc::clone(&threads.shared), n_done: 0 };
            let name = format!("gemma worker {index}");
            let started = thread::Builder::new().name(name).spawn(move || work(isa, &receiver, link));
            let handle = started.map_err(|why| Error::Internal { what: format!("no thread: {why}") })?;
            threads.senders.push(sender);
            threads.handles.push(handle);
        }
        Ok(threads)
    }

    /// There are workers.
    #[must_use]
    pub fn proof(&self) -> HasWorkers {
        HasWorkers::by_threads()
    }
}

impl Team for Threads {
    fn n_workers(&self) -> usize {
        self.senders.len()
    }

    fn send(&self, worker: usize, job: Job) -> Answer {
        let (sender, answer) = oneshot::channel();
        if let Some(worker) = self.senders.get(worker) {
            // If the thread is gone, the answer is cancelled.
            let _ = worker.send((job, sender));
        }
        answer
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.senders.clear();
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}

fn work(isa: Isa, jobs: &Receiver<Envelope>, mut link: SharedLink) {
    let mut worker = Worker::new(isa);
    // If the thread ends, others must not wait for it.
    let _guard = Gone(Arc::clone(&link.shared));
    for (job, answer) in jobs {
        let reply = pollster::block_on(worker.work(job, &mut link));
        if reply.is_err() {
            // The others may be waiting for an exchange that does not come.
            link.shared.leave();
        }
        // Nobody may be waiting any more.
        let _ = answer.send(reply);
    }
}

struct Gone(Arc<Shared>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// What the threads share: two halves, used in turn, so that one is written while slower threads still read the other.
#[derive(Debug)]
struct Shared {
    n_workers: usize,
    halves: [RwLock<Vec<AtomicU32>>; 2],
    /// Number of arrivals at all exchanges so far.
    n_arrived: AtomicUsize,
    is_gone: AtomicBool,
    asleep: Mutex<()>,
    all_arrived: Condvar,
}

impl Shared {
    fn new(n_workers: usize) -> Self {
        Self {
            n_workers,
            halves: [RwLock::default(), RwLock::default()],
            n_arrived: AtomicUsize::new(0),
            is_gone: AtomicBool::new(false),
            asleep: Mutex::new(()),
            all_arrived: Condvar::new(),
        }
    }

    /// Arrives for the `n`th time, and waits until all workers have.
    fn arrive(&self, n: usize) -> Result<()> {
        let all = n * self.n_workers;
        if self.n_arrived.fetch_add(1, Ordering::AcqRel) + 1 == all {
            self.wake();
            return Ok(());
        }
        for _ in 0..POLLS {
            if self.n_arrived.load(Ordering::Acquire) >= all {
                return Ok(());
            }
            spin_loop();
        }
        let mut guard = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        while self.n_arrived.load(Ordering::Acquire) < all {
            if self.is_gone.load(Ordering::Acquire) {
                return Err(lost());
            }
            guard = self.all_arrived.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Wakes the threads that wait. They look at what they wait for under the lock, so none misses it.
    fn wake(&self) {
        drop(self.asleep.lock().unwrap_or_else(PoisonError::into_inner));
        self.all_arrived.notify_all();
    }

    /// Notes that a worker does not arrive any more.
    fn leave(&self) {
        self.is_gone.store(true, Ordering::Release);
        self.wake();
    }

    /// Makes a half long enough.
    fn grow(&self, half: usize, len: usize) {
        let short =
            |half: &RwLock<Vec<AtomicU32>>| half.read().unwrap_or_else(PoisonError::into_inner).len() < len;
        if let Some(half) = self.halves.get(half)
            && short(half)
        {
            let mut half = half.write().unwrap_or_else(PoisonError::into_inner);
            let missing = len.saturating_sub(half.len());
            half.extend((0..missing).map(|_| AtomicU32::new(0)));
        }
    }
}

#[derive(Debug)]
struct SharedLink {
    shared: Arc<Shared>,
    /// Exchanges done.
    n_done: usize,
}

impl Link for SharedLink {
    async fn exchange(&mut self, buffer: &mut [f32], mine: impl Iterator<Item = Range<usize>>) -> Result<()> {
        let shared = &self.shared;
        if shared.n_workers == 1 {
            return Ok(());
        }
        let number = self.n_done % 2;
        shared.grow(number, buffer.len());
        let Some(half) = shared.halves.get(number) else { return Ok(()) };
        {
            let half = half.read().unwrap_or_else(PoisonError::into_inner);
            for range in mine {
                let to = half.get(range.clone()).unwrap_or_default();
                for (to, x) in to.iter().zip(buffer.get(range).unwrap_or_default()) {
                    to.store(x.to_bits(), Ordering::Relaxed);
                }
            }
        }
        self.n_done += 1;
        shared.arrive(self.n_done)?;
        let half = half.read().unwrap_or_else(PoisonError::into_inner);
        for (x, from) in buffer.iter_mut().zip(half.iter()) {
            *x = f32::from_bits(from.load(Ordering::Relaxed));
        }
        Ok(())
    }
}
