//! Choice of the adapter.

use super::options::GpuOptions;
use crate::error::{Error, Result};

/// The adapter that `options` names, or the platform's preferred one.
///
/// # Errors
/// [`Error::NoWebgpu`] if there is no adapter, or none of that name.
pub(super) async fn pick(options: &GpuOptions) -> Result<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    if let Some(wanted) = &options.adapter {
        let adapters = instance.enumerate_adapters(wgpu::Backends::all()).await;
        let names: Vec<String> = adapters.iter().map(|a| a.get_info().name).collect();
        let found =
            adapters.into_iter().find(|a| a.get_info().name.to_lowercase().contains(&wanted.to_lowercase()));
        return found.ok_or_else(|| Error::NoWebgpu {
            why: format!("no GPU adapter is called \"{wanted}\" (there are {names:?})"),
        });
    }
    let request = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    instance.request_adapter(&request).await.map_err(no_adapter)
}

/// The error without wgpu's own text, which lists the backends that this build was compiled without.
fn no_adapter(_: wgpu::RequestAdapterError) -> Error {
    Error::NoWebgpu { why: "no GPU adapter was found".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_without_an_adapter_keeps_internals_out() {
        let none = wgpu::Backends::empty();
        let found = wgpu::RequestAdapterError::NotFound {
            active_backends: none,
            requested_backends: wgpu::Backends::all(),
            supported_backends: none,
            no_fallback_backends: none,
            no_adapter_backends: none,
            incompatible_surface_backends: none,
        };
        assert!(found.to_string().contains("not compiled in"), "{found}");
        let error = no_adapter(found).to_string();
        let plain =
            "no GPU adapter was found; in a browser, use a current one and turn hardware acceleration on";
        assert!(error.starts_with(plain) && !error.contains("compiled"), "{error}");
    }
}
