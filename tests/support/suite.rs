//! Tests that need something a machine may lack: a GPU, a browser, a file that is not ours to distribute.
//!
//! Where it is lacking they are reported as ignored, with the need in their name, instead of passing unrun. Asked
//! for with `--ignored` or `--include-ignored` they run all the same, and fail with the need as the message.

use libtest_mimic::{Failed, Trial};

/// A test that runs on `found`, and is ignored where there is none. `need` says in a few words what it wants.
pub fn needing<T, F>(name: &str, need: &str, found: Option<T>, run: F) -> Trial
where
    T: Send + 'static,
    F: FnOnce(T) -> Result<(), Failed> + Send + 'static,
{
    let absent = found.is_none();
    let name = if absent { format!("{name} (needs {need})") } else { name.to_owned() };
    let message = format!("needs {need}");
    Trial::test(name, move || run(found.ok_or(message)?)).with_ignored_flag(absent)
}
