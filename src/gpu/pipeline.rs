//! Pipelines, compiled once for each kernel and variant, and bind groups.

use super::device::Gpu;
use super::shader::{Kernel, Variant, compose};

/// Name of a kernel in a variant.
pub(crate) fn key(kernel: &Kernel, variant: Variant) -> String {
    format!("{} {}", kernel.name, variant.name()).trim_end().to_owned()
}

impl Gpu {
    /// Compiles a kernel in a variant before a plan takes it.
    pub fn compile(&self, kernel: &Kernel, variant: Variant) {
        self.pipeline(kernel, variant);
    }

    /// The pipeline of a kernel in a variant, compiled at its first use.
    pub(super) fn pipeline(&self, kernel: &Kernel, variant: Variant) -> wgpu::ComputePipeline {
        let key = key(kernel, variant);
        if let Some(pipeline) = self.pipelines.borrow().get(&key) {
            return pipeline.clone();
        }
        self.count_objects(2);
        let text = self.text(kernel, variant);
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(&key),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&key),
            layout: None,
            module: &module,
            entry_point: Some(kernel.name),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        self.pipelines.borrow_mut().insert(key, pipeline.clone());
        pipeline
    }

    /// Number of pipelines compiled.
    pub(crate) fn n_pipelines(&self) -> usize {
        self.pipelines.borrow().len()
    }

    /// The text of a kernel in a variant, as it is compiled.
    pub(crate) fn text(&self, kernel: &Kernel, variant: Variant) -> String {
        let text = compose(kernel, variant);
        #[cfg(debug_assertions)]
        if let Some(fault) = self.inject.as_ref().filter(|fault| key(kernel, variant).contains(fault.kernel))
        {
            return text.replace(fault.from, fault.to);
        }
        text
    }

    pub(super) fn bind_group(
        &self,
        label: &str,
        pipeline: &wgpu::ComputePipeline,
        index: u32,
        entries: &[wgpu::BindGroupEntry<'_>],
    ) -> wgpu::BindGroup {
        self.count_objects(1);
        let layout = pipeline.get_bind_group_layout(index);
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(label),
            layout: &layout,
            entries,
        })
    }
}
