//! The `gemma` command: runs a Gemma GGUF file on any native adapter.

#[cfg(not(target_arch = "wasm32"))]
#[path = "gemma/command.rs"]
mod command;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    command::main()
}

/// In a browser the way in is `gemma_web::web`.
#[cfg(target_arch = "wasm32")]
fn main() {}
