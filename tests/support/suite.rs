//! The list of a crate's tests, named after their modules.
//!
//! A test may need something that a machine lacks: a GPU, a browser, a file that is not ours to distribute. It is then
//! reported as ignored, with the need in its name, instead of passing unrun. Asked for with `--ignored` or
//! `--include-ignored` it runs all the same, and fails with the need as the message.

use std::sync::{PoisonError, RwLock};

use libtest_mimic::{Arguments, Failed, Trial};

/// A test that is in a list, but has not run.
pub struct Test {
    name: String,
    is_ignored: bool,
    runs_alone: bool,
    run: Box<dyn FnOnce() -> Result<(), Failed> + Send>,
}

/// The result of a test: nothing if a failure panics, else a [`Result`].
pub trait Outcome {
    fn into_result(self) -> Result<(), Failed>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Failed> {
        Ok(())
    }
}

impl Outcome for Result<(), Failed> {
    fn into_result(self) -> Self {
        self
    }
}

/// A test that runs on every machine.
pub fn test<R: Outcome>(name: impl Into<String>, run: impl FnOnce() -> R + Send + 'static) -> Test {
    let run = Box::new(move || run().into_result());
    Test { name: name.into(), is_ignored: false, runs_alone: false, run }
}

/// A test that runs on every machine, by the name of its function.
pub fn test_fn<R: Outcome, F: FnOnce() -> R + Send + 'static>(run: F) -> Test {
    test(std::any::type_name::<F>().rsplit("::").next().unwrap_or_default(), run)
}

/// A test that runs on `found`, and is ignored if there is none. `need` names it in a few words.
pub fn needing<T, R>(
    name: &str,
    need: &str,
    found: Option<T>,
    run: impl FnOnce(T) -> R + Send + 'static,
) -> Test
where
    T: Send + 'static,
    R: Outcome,
{
    let is_ignored = found.is_none();
    let name = if is_ignored { format!("{name} (needs {need})") } else { name.to_owned() };
    let message = format!("needs {need}");
    let run = Box::new(move || run(found.ok_or(message)?).into_result());
    Test { name, is_ignored, runs_alone: false, run }
}

impl Test {
    /// Runs while no other test does, since it measures the whole process.
    pub fn alone(self) -> Self {
        Self { runs_alone: true, ..self }
    }

    /// Runs only when it is asked for.
    pub fn ignored(self) -> Self {
        Self { is_ignored: true, ..self }
    }

    fn trial(self, module: &str) -> Trial {
        let Self { name, is_ignored, runs_alone, run } = self;
        let run = move || {
            if runs_alone {
                let _no_other = PROCESS.write().unwrap_or_else(PoisonError::into_inner);
                run()
            } else {
                let _not_alone = PROCESS.read().unwrap_or_else(PoisonError::into_inner);
                run()
            }
        };
        Trial::test(format!("{module}::{name}"), run).with_ignored_flag(is_ignored)
    }
}

/// The process: tests share it, and one that runs alone has it to itself.
static PROCESS: RwLock<()> = RwLock::new(());

/// Runs the tests of all modules that the command line asks for, and ends the process.
pub fn run<const N: usize>(modules: [(&str, Vec<Test>); N]) -> ! {
    let trials =
        modules.into_iter().flat_map(|(module, tests)| tests.into_iter().map(move |test| test.trial(module)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit()
}
