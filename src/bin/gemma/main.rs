//! The `gemma` command: runs a Gemma GGUF file on any native adapter.

// By its path, so that its modules lie beside it: all of them exist natively only.
#[cfg(not(target_arch = "wasm32"))]
#[path = "command.rs"]
mod command;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    command::main()
}

/// Nothing: in a browser the entry point is `gemma_web::web`.
#[cfg(target_arch = "wasm32")]
fn main() {}
