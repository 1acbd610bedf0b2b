//! `gemma bench`: prompt and generation speed by published definitions, as a table for people or as JSON.

use std::fmt::Write as _;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gemma_web::Cancel;
use gemma_web::bench::{BenchProgress, BenchReport, GenerationTest, Protocol, Spread};
use gemma_web::engine::{GpuFacts, Processor};
use gemma_web::gpu::profile::{Method, Profile};
use indicatif::{ProgressBar, ProgressStyle};
use pollster::block_on;

use super::args::Bench;
use super::load;
use super::output::{Failure, is_watched, print, print_json};

/// Number of kernels in the table; the others are summed up.
const LISTED: usize = 12;

pub(crate) fn bench(args: &Bench, json: bool) -> Result<(), Failure> {
    let mut options = args.options();
    let mut load_options = args.model.load_options();
    load_options.context_length = load_options.context_length.or(Some(options.context_needed()));
    let started = Instant::now();
    let mut engine = load::engine(&args.model, &load_options, json)?;
    options.load_ms = Some(started.elapsed().as_secs_f64() * 1e3);
    options.date = Some(today());
    options.host = Some(format!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    let bar = steps_bar();
    let mut show = |progress: BenchProgress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        let speed = progress.tokens_per_second.map_or_else(String::new, |s| format!("{s:.2} tokens/s"));
        bar.set_message(format!("{:?} {speed}", progress.stage).to_lowercase());
    };
    let report = block_on(engine.bench(&options, &Cancel::default(), &mut show));
    bar.finish_and_clear();
    let report = report?;
    if json { print_json(&report) } else { print(table(&report)) }
}

fn steps_bar() -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    // A bar without a style is still a bar.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// The report as a table for people.
fn table(report: &BenchReport) -> String {
    let mut out = String::new();
    // Writing to a string can't fail.
    let _ = write_head(&mut out, report);
    let _ = write_tests(&mut out, report);
    if let Some(kernels) = &report.kernels {
        let _ = write_profile(
            &mut out,
            &format!("a token at position {}", kernels.decode_position),
            &kernels.decode,
        );
        let _ = write_profile(
            &mut out,
            &format!("a prompt's chunk of {}", kernels.prompt_tokens),
            &kernels.prompt,
        );
    }
    out
}

fn write_head(out: &mut String, report: &BenchReport) -> std::fmt::Result {
    let (model, gate) = (&report.model, &report.gate);
    let megabytes =
        report.file.bytes.map_or_else(String::new, |bytes| format!(", {:.0} MB", bytes as f64 / 1e6));
    writeln!(out, "model     {} ({}{megabytes})", report.file.name, model.quantisation)?;
    if let Some(GpuFacts { adapter, tuning, .. }) = &model.gpu {
        writeln!(out, "adapter   {} ({} {})", adapter.name, adapter.backend, adapter.driver)?;
        let features = report.features.join(", ");
        writeln!(out, "variant   {tuning}; optional features: {features}")?;
    }
    if let Some(processor) = &model.processor {
        let Processor { instruction_set, workers, exact } = processor;
        let arithmetic = if *exact { "f32" } else { "int8" };
        writeln!(out, "processor {workers} threads, {instruction_set}, {arithmetic}")?;
    }
    writeln!(
        out,
        "checked   {} tokens the same in two runs, {} of {} positions the same at once (largest gap {:.2}, at most {})",
        gate.tokens.len(),
        gate.same,
        gate.compared,
        gate.worst_gap,
        gate.tolerance
    )?;
    if let Some(roofline) = &report.roofline {
        let megabytes = roofline.bytes >> 20;
        writeln!(out, "memory    {:.1} GB/s read, over {megabytes} MiB", roofline.gigabytes_per_second)?;
    }
    // The CPU records no commands.
    if let Some(each) = report.per_token.as_ref().filter(|_| model.gpu.is_some()) {
        writeln!(
            out,
            "a token   dispatches {}, passes {}, submissions {}, objects made {}, bytes read back {}, bytes written {}",
            each.dispatches, each.passes, each.submits, each.objects, each.bytes_read, each.bytes_written
        )?;
    }
    writeln!(out, "\n{:<16} {:>10}  {:<22}", "test", "tokens/s", "(lowest to highest)")
}

fn write_tests(out: &mut String, report: &BenchReport) -> std::fmt::Result {
    if let Some(test) = &report.prompt {
        write_speed(out, &format!("pp{}", test.tokens), &test.tokens_per_second)?;
        let seconds = test.first_token_ms.median / 1e3;
        writeln!(out, " {:.3} TFLOP/s, first token after {seconds:.3} s", test.teraflops)?;
    }
    if let Some(test) = &report.generation {
        let with_depth = report.protocol == Protocol::LiteRt;
        write_generation(out, test, with_depth)?;
    }
    report.depths.iter().try_for_each(|test| write_generation(out, test, true))
}

fn write_generation(out: &mut String, test: &GenerationTest, with_depth: bool) -> std::fmt::Result {
    let depth = if with_depth { format!(" @ d{}", test.depth) } else { String::new() };
    write_speed(out, &format!("tg{}{depth}", test.tokens), &test.tokens_per_second)?;
    let part =
        test.of_roofline.map_or_else(String::new, |part| format!(", {:.0} % of memory speed", part * 100.0));
    let megabytes = test.bytes_per_token as f64 / 1e6;
    writeln!(out, " {megabytes:.1} MB a token, {:.2} GB/s{part}", test.gigabytes_per_second)
}

fn write_speed(out: &mut String, name: &str, speed: &Spread) -> std::fmt::Result {
    let spread = format!("({:.2} to {:.2})", speed.min, speed.max);
    write!(out, "{name:<16} {:>10.2}  {spread:<22}", speed.median)
}

fn write_profile(out: &mut String, of: &str, profile: &Profile) -> std::fmt::Result {
    let method = match profile.method {
        Method::Timestamps => "by timestamps",
        Method::Repetition => "repeated alone, since the adapter gives no timestamps",
    };
    let total: f64 = profile.kernels.iter().map(|row| row.us).sum();
    writeln!(out, "\nkernels of {of}, {method}: {total:.0} us")?;
    let mut rows: Vec<_> = profile.kernels.iter().collect();
    rows.sort_by(|a, b| b.us.total_cmp(&a.us));
    let width = rows.iter().take(LISTED).map(|row| row.kernel.len()).max().unwrap_or_default();
    for row in rows.iter().take(LISTED) {
        let share = 100.0 * row.us / total.max(f64::MIN_POSITIVE);
        write!(out, "  {:<width$} {:>5} x {:>10.0} us {share:>6.1} %", row.kernel, row.calls, row.us)?;
        if row.matrix_bytes > 0 {
            write!(out, " {:>9.2} GB/s", row.matrix_bytes as f64 / row.us.max(f64::MIN_POSITIVE) / 1e3)?;
        }
        writeln!(out)?;
    }
    let rest: f64 = rows.iter().skip(LISTED).map(|row| row.us).sum();
    if rest > 0.0 { writeln!(out, "  {:<width$} {:>7} {rest:>10.0} us", "others", "") } else { Ok(()) }
}

/// The day, UTC: `2026-11-23`.
fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    date(seconds / 86_400)
}

/// The date that many days after 1970-01-01, by Howard Hinnant's algorithm: years begin in March, so that a
/// leap day comes last.
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = 400 * era + year + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_have_dates() {
        let found = [0, 59, 10_956, 11_016, 20_780].map(date);
        assert_eq!(found, ["1970-01-01", "1970-03-01", "1999-12-31", "2000-02-29", "2026-11-23"]);
    }
}
