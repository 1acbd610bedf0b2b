//! Benchmark that others can repeat: checks the results first, then times prompts and generation by published
//! definitions.
//!
//! Times are wall times of the arrival of tokens on the CPU, so that work in flight does not count before it
//! is done. The work of a token, which does not depend on the machine's speed, is counted.

mod depth;
mod gate;
mod options;
mod report;
mod roofline;
mod workload;

use web_time::Instant;

use crate::cancel::Cancel;
use crate::engine::{Engine, GenerateOptions};
use crate::error::Result;
use crate::gpu::device::Counters;
use crate::model::Model;

pub use options::{BenchOptions, Protocol};
pub use report::{
    BenchProgress, BenchReport, Gate, GenerationTest, Kernels, PerToken, PromptTest, Roofline, Spread, Stage,
};
pub use roofline::roofline;
use workload::{flops_per_token, increase, pseudo_random_prompt};

/// Tokens over which the work of one is averaged.
const COUNTED_TOKENS: usize = 16;
/// Position of the token whose kernels are timed: the middle of tg128.
const PROFILED_POSITION: usize = 64;

impl Engine {
    /// Runs a benchmark. `on_progress` receives each finished step.
    ///
    /// # Errors
    /// [`crate::Error::Inconsistent`] if the model's results are wrong, [`crate::Error::InvalidOption`] for
    /// options out of range or a context that is too short, [`crate::Error::Aborted`] between two tokens,
    /// faults of the device.
    pub async fn bench(
        &mut self,
        options: &BenchOptions,
        cancel: &Cancel,
        on_progress: &mut dyn FnMut(BenchProgress),
    ) -> Result<BenchReport> {
        options.validate(self.context_length())?;
        self.clear_kv().await?;
        Bench::new(self, options, cancel, on_progress).run().await
    }
}

/// Measurements of one run.
struct Run {
    first_token_seconds: f64,
    /// Speed of the tokens after the first.
    tokens_per_second: f64,
    counts: Counters,
}

/// Measurements of the runs of a test that count.
#[derive(Default)]
struct Runs {
    first_token_seconds: Vec<f64>,
    tokens_per_second: Vec<f64>,
    /// Counts of the last run.
    counts: Counters,
}

struct Bench<'a> {
    engine: &'a mut Engine,
    options: &'a BenchOptions,
    cancel: &'a Cancel,
    on_progress: &'a mut dyn FnMut(BenchProgress),
    bos: u32,
    done: usize,
    total: usize,
    /// Gigabytes per second, if measured.
    roofline: Option<f64>,
}

impl<'a> Bench<'a> {
    fn new(
        engine: &'a mut Engine,
        options: &'a BenchOptions,
        cancel: &'a Cancel,
        on_progress: &'a mut dyn FnMut(BenchProgress),
    ) -> Self {
        let bos = engine.tokenizer().bos().unwrap_or_default();
        let runs = options.warmups + options.repetitions;
        let (prompts, generations) = (options.n_prompt() > 0, options.n_generated() > 0);
        let n_tests = match options.protocol {
            Protocol::LlamaBench => usize::from(prompts) + usize::from(generations),
            Protocol::LiteRt => usize::from(prompts || generations),
        };
        let depths = options.depths.len() * (runs + 1);
        let once =
            1 + usize::from(generations) + usize::from(options.roofline) + usize::from(options.kernels);
        let total = once + n_tests * runs + depths;
        Self { engine, options, cancel, on_progress, bos, done: 0, total, roofline: None }
    }

    fn step(&mut self, stage: Stage, tokens_per_second: Option<f64>) {
        self.done += 1;
        let (done, total) = (self.done, self.total);
        (self.on_progress)(BenchProgress { stage, done, total, tokens_per_second });
    }

    async fn run(mut self) -> Result<BenchReport> {
        let (gate, cold_first_token_ms) = gate::check(self.engine, self.cancel).await?;
        self.step(Stage::Gate, None);
        let per_token = self.per_token().await?;
        let roofline = self.read_memory().await?;
        let (prompt, generation) = match self.options.protocol {
            Protocol::LlamaBench => (self.prompts().await?, self.generations().await?),
            Protocol::LiteRt => self.conversations().await?,
        };
        let depths = self.at_depths().await?;
        let kernels = self.kernels().await?;
        let (engine, options) = (self.engine, self.options);
        Ok(BenchReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            date: options.date.clone(),
            host: options.host.clone(),
            load_ms: options.load_ms,
            label: options.label.clone(),
            features: engine.model()?.gpu().map(|model| model.gpu().features()).unwrap_or_default(),
            file: engine.file().clone(),
            model: engine.info(),
            protocol: options.protocol,
            repetitions: options.repetitions,
            warmups: options.warmups,
            gate,
            cold_first_token_ms,
            roofline,
            prompt,
            generation,
            per_token,
            depths,
            kernels,
            stats: engine.stats(),
        })
    }

    fn counters(&self) -> Counters {
        self.engine.stats().counters
    }

    /// Generates `n_tokens` tokens after `ids`.
    async fn generate(&mut self, ids: &[u32], n_tokens: usize) -> Result<Run> {
        let options = GenerateOptions { ignore_end: true, ..GenerateOptions::greedy(n_tokens) };
        let before = self.counters();
        let started = Instant::now();
        let (mut first, mut last) = (None, started);
        let mut on_token = |_: &_| {
            last = Instant::now();
            first.get_or_insert(last);
        };
        self.engine.generate(ids, &options, self.cancel, &mut on_token).await?;
        let first = first.unwrap_or(started);
        let decoding = (last - first).as_secs_f64();
        Ok(Run {
            first_token_seconds: (first - started).as_secs_f64(),
            tokens_per_second: rate((n_tokens - 1) as f64, decoding),
            counts: increase(&before, &self.counters()),
        })
    }

    /// Warm-up runs, then the runs that count. Every run has another prompt, so that it can reuse nothing of
    /// the last one.
    async fn repeat(&mut self, stage: Stage, n_prompt: usize, n_tokens: usize) -> Result<Runs> {
        let mut runs = Runs::default();
        let n_vocab = self.engine.tokenizer().n_vocab();
        for run_ix in 0..self.options.warmups + self.options.repetitions {
            let ids = pseudo_random_prompt(self.bos, run_ix as u64 + 1, n_prompt, n_vocab);
            let run = self.generate(&ids, n_tokens).await?;
            let prompts = rate(n_prompt as f64, run.first_token_seconds);
            self.step(stage, Some(if stage == Stage::Prompt { prompts } else { run.tokens_per_second }));
            if run_ix < self.options.warmups {
                continue;
            }
            runs.first_token_seconds.push(run.first_token_seconds);
            runs.tokens_per_second.push(run.tokens_per_second);
            runs.counts = run.counts;
        }
        Ok(runs)
    }

    async fn prompts(&mut self) -> Result<Option<PromptTest>> {
        if self.options.n_prompt() == 0 {
            return Ok(None);
        }
        let runs = self.repeat(Stage::Prompt, self.options.n_prompt(), 1).await?;
        Ok(Some(self.prompt_test(&runs)))
    }

    async fn generations(&mut self) -> Result<Option<GenerationTest>> {
        if self.options.n_generated() == 0 {
            return Ok(None);
        }
        // BOS is the prompt, and the first token generated starts the clock.
        let runs = self.repeat(Stage::Generation, 1, self.options.n_generated() + 1).await?;
        Ok(Some(self.generation_test(self.options.generation_depth(), runs.tokens_per_second, runs.counts)))
    }

    /// Both tests at once: each generation follows a prompt.
    async fn conversations(&mut self) -> Result<(Option<PromptTest>, Option<GenerationTest>)> {
        let (n_prompt, n_generated) = (self.options.n_prompt(), self.options.n_generated());
        if n_prompt + n_generated == 0 {
            return Ok((None, None));
        }
        let stage = if n_generated > 0 { Stage::Generation } else { Stage::Prompt };
        let runs = self.repeat(stage, n_prompt.max(1), n_generated + 1).await?;
        let prompt = (n_prompt > 0).then(|| self.prompt_test(&runs));
        let depth = self.options.generation_depth();
        let generation =
            (n_generated > 0).then(|| self.generation_test(depth, runs.tokens_per_second, runs.counts));
        Ok((prompt, generation))
    }

    fn prompt_test(&self, runs: &Runs) -> PromptTest {
        let tokens = self.options.n_prompt();
        let speeds = runs.first_token_seconds.iter().map(|s| rate(tokens as f64, *s)).collect();
        let tokens_per_second = Spread::of(speeds);
        let first_token_ms = Spread::of(runs.first_token_seconds.iter().map(|s| s * 1e3).collect());
        let teraflops = tokens_per_second.median * flops_per_token(self.engine.config()) / 1e12;
        PromptTest { tokens, tokens_per_second, first_token_ms, teraflops, counts: runs.counts }
    }

    fn generation_test(&self, depth: usize, speeds: Vec<f64>, counts: Counters) -> GenerationTest {
        let tokens = self.options.n_generated();
        let position = depth + tokens / 2;
        let keys_and_values = self.engine.model().map_or(0, |model| model.kv_bytes_read(position));
        let bytes_per_token = self.engine.file().weight_bytes_per_token + keys_and_values;
        let tokens_per_second = Spread::of(speeds);
        let gigabytes_per_second = tokens_per_second.median * bytes_per_token as f64 / 1e9;
        let of_roofline = self.roofline.map(|roofline| gigabytes_per_second / roofline);
        GenerationTest {
            tokens,
            depth,
            tokens_per_second,
            bytes_per_token,
            gigabytes_per_second,
            of_roofline,
            counts,
        }
    }

    /// Work of one token: the work of a long generation less that of a single token, divided by the
    /// difference of their lengths.
    async fn per_token(&mut self) -> Result<Option<PerToken>> {
        if self.options.n_generated() == 0 {
            return Ok(None);
        }
        let bos = [self.bos];
        let one = self.generate(&bos, 1).await?.counts;
        let many = self.generate(&bos, 1 + COUNTED_TOKENS).await?.counts;
        self.step(Stage::Counts, None);
        let each = |one: u64, many: u64| (many as f64 - one as f64) / COUNTED_TOKENS as f64;
        Ok(Some(PerToken {
            dispatches: each(one.dispatches, many.dispatches),
            passes: each(one.passes, many.passes),
            submits: each(one.submits, many.submits),
            objects: each(one.objects, many.objects),
            bytes_read: each(one.bytes_read, many.bytes_read),
            bytes_written: each(one.bytes_written, many.bytes_written),
        }))
    }

    async fn read_memory(&mut self) -> Result<Option<Roofline>> {
        if !self.options.roofline {
            return Ok(None);
        }
        let result = match self.engine.model()? {
            Model::Gpu(model) => roofline(model.gpu(), self.cancel).await?,
            Model::Cpu(model) => roofline::of_weights(model, self.cancel).await?,
        };
        self.roofline = Some(result.gigabytes_per_second);
        self.step(Stage::Roofline, None);
        Ok(Some(result))
    }

    /// Generation at each depth. The cache is filled once, up to the greatest depth; in a layer that keeps
    /// only a window, a smaller depth then finds later keys.
    async fn at_depths(&mut self) -> Result<Vec<GenerationTest>> {
        let (options, n_vocab) = (self.options, self.engine.tokenizer().n_vocab());
        let Some(deepest) = options.depths.iter().copied().max() else { return Ok(Vec::new()) };
        if deepest > 0 {
            let ids = pseudo_random_prompt(self.bos, 1, deepest, n_vocab);
            self.generate(&ids, 1).await?;
        }
        let mut tests = Vec::with_capacity(options.depths.len());
        for depth in &options.depths {
            let (mut speeds, mut counts) = (Vec::with_capacity(options.repetitions), Counters::default());
            self.step(Stage::Depth, None);
            for run_ix in 0..options.warmups + options.repetitions {
                let before = self.counters();
                let speed =
                    depth::decode_speed(self.engine, *depth, options.n_generated() + 1, self.cancel).await?;
                self.step(Stage::Depth, Some(speed));
                if run_ix >= options.warmups {
                    speeds.push(speed);
                    counts = increase(&before, &self.counters());
                }
            }
            tests.push(self.generation_test(*depth, speeds, counts));
        }
        Ok(tests)
    }

    async fn kernels(&mut self) -> Result<Option<Kernels>> {
        if !self.options.kernels {
            return Ok(None);
        }
        // The CPU has no kernels of one name and variant.
        let Some(model) = self.engine.model()?.gpu() else { return Ok(None) };
        let decode_position = PROFILED_POSITION.min(model.context() - 1);
        let decode = model.profile(1, decode_position, self.cancel).await?;
        let prompt_tokens = model.rows();
        let prompt = model.profile(prompt_tokens, 0, self.cancel).await?;
        self.step(Stage::Kernels, None);
        Ok(Some(Kernels { decode, decode_position, prompt, prompt_tokens }))
    }
}

fn rate(n: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { n / seconds } else { 0.0 }
}
