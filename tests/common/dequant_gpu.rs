//! Runs `shaders/dequant.wgsl` over one format's planes on whatever native adapter is there.
#![allow(unreachable_pub, missing_debug_implementations, reason = "a helper of tests")]

use gemma_web::quant::Format;
use wgpu::util::DeviceExt;

const BYTES: &str = include_str!("../../shaders/lib/bytes.wgsl");
const DEQUANT: &str = include_str!("../../shaders/dequant.wgsl");

/// The whole shader of a format.
pub fn shader_of(format: &Format) -> String {
    [BYTES, format.wgsl, DEQUANT].concat()
}

/// A device at WebGPU's default limits without any optional feature.
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Gpu {
    /// Opens the first adapter. Without one the test that asks is ignored with a message, or fails where
    /// `GEMMA_WEB_REQUIRE_GPU=1` says that there must be one.
    pub fn open() -> Option<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        match pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default())) {
            Ok(adapter) => {
                eprintln!("adapter: {}", adapter.get_info().name);
                let device = adapter.request_device(&wgpu::DeviceDescriptor::default());
                let (device, queue) = pollster::block_on(device).expect("a device at default limits");
                Some(Self { device, queue })
            }
            Err(why) if std::env::var_os("GEMMA_WEB_REQUIRE_GPU").is_some_and(|value| value == "1") => {
                panic!("GEMMA_WEB_REQUIRE_GPU=1, but there is no adapter: {why}")
            }
            Err(why) => {
                eprintln!("ignored: no adapter ({why})");
                None
            }
        }
    }

    /// Repacks `blocks` (a multiple of sixteen weights) into planes, uploads them and decodes them by the WGSL fragment.
    pub fn dequant(&self, format: &Format, blocks: &[u8]) -> Vec<f32> {
        let n_groups = (blocks.len() / format.block_bytes * format.block_len / 16) as u32;
        let (device, queue) = (&self.device, &self.queue);
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(format.name),
            source: wgpu::ShaderSource::Wgsl(shader_of(format).into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(format.name),
            layout: None,
            module: &module,
            entry_point: Some("dequant"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let width = n_groups.div_ceil(64).min(1024);
        let params: Vec<u8> = [n_groups, width, 0, 0]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        let params = self.buffer(params, wgpu::BufferUsages::UNIFORM);
        let out = self.buffer(
            vec![0; n_groups as usize * 64],
            wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        );
        let back = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("back"),
            size: out.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let planes: Vec<_> = (0..format.planes.len())
            .map(|plane| self.plane(format, plane, blocks))
            .collect();
        let groups = [
            self.bind(&pipeline, 0, &[params, out.clone()]),
            self.bind(&pipeline, 1, &planes),
        ];

        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &groups[0], &[]);
            pass.set_bind_group(1, &groups[1], &[]);
            pass.dispatch_workgroups(width, n_groups.div_ceil(64).div_ceil(width), 1);
        }
        encoder.copy_buffer_to_buffer(&out, 0, &back, 0, out.size());
        queue.submit([encoder.finish()]);
        back.map_async(wgpu::MapMode::Read, .., |result| result.expect("mapped"));
        device.poll(wgpu::PollType::wait_indefinitely()).expect("polled");
        let bytes = back.get_mapped_range(..).expect("a range");
        bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    }

    fn plane(&self, format: &Format, plane: usize, blocks: &[u8]) -> wgpu::Buffer {
        let mut bytes = Vec::new();
        format.repack(plane, blocks, &mut bytes);
        bytes.resize(bytes.len().next_multiple_of(16), 0);
        self.buffer(bytes, wgpu::BufferUsages::STORAGE)
    }

    fn buffer(&self, contents: Vec<u8>, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let descriptor = wgpu::util::BufferInitDescriptor {
            label: None,
            contents: &contents,
            usage,
        };
        self.device.create_buffer_init(&descriptor)
    }

    fn bind(
        &self,
        pipeline: &wgpu::ComputePipeline,
        group: u32,
        buffers: &[wgpu::Buffer],
    ) -> wgpu::BindGroup {
        let entries: Vec<_> = (0u32..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(group),
            entries: &entries,
        })
    }
}
