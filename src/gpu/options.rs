//! Options of a device.

/// Choice of an adapter, and how much of its limits to use.
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// Part of an adapter's name, any case; native only (a browser offers one adapter).
    pub adapter: Option<String>,
    /// Uses no storage binding above this many bytes, to test splitting on a generous adapter.
    pub max_binding_bytes: Option<u64>,
    /// Creates no buffer above this many bytes.
    pub max_buffer_bytes: Option<u64>,
    /// Ignores subgroups even if the adapter has them.
    pub without_subgroups: bool,
    /// Ignores timestamps even if the adapter has them: only [`super::profile`] uses them.
    pub without_timestamps: bool,
    /// Makes a kernel wrong, to show that tests notice it. Release builds have no such option.
    #[cfg(debug_assertions)]
    pub inject: Option<FaultInjection>,
}

/// A fault injected into a kernel's text.
#[cfg(debug_assertions)]
#[derive(Clone, Copy, Debug)]
pub struct FaultInjection {
    /// Part of the kernel's name and variant.
    pub kernel: &'static str,
    /// Text that is replaced, everywhere.
    pub from: &'static str,
    /// Its replacement.
    pub to: &'static str,
}
