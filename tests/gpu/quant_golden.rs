//! The WGSL fragment of every block format on the native adapter, against values decoded by gguf-py and ggml. Bit for bit:
//! there is no tolerance.

use std::path::{Path, PathBuf};

use crate::support::gpu;
use crate::support::quant_goldens::{MODEL_NEED, each_sample, golden, same_bits};
use crate::support::suite::{Test, needing};
use gemma_web::gpu::{Command, Gpu, GpuOptions, Matrix, Plan, RunParams};
use gemma_web::kernels::dequant;
use gemma_web::quant::{FORMATS, Format};
use libtest_mimic::Failed;
use pollster::block_on;

pub(crate) fn tests() -> Vec<Test> {
    let adapter = gpu::adapter();
    let model = std::env::var_os("GEMMA_WEB_MODEL").map(PathBuf::from);
    let need = if model.is_some() { gpu::NEED } else { MODEL_NEED };
    let model_and_adapter = model.zip(adapter).map(|(path, ())| path);
    vec![
        needing("every fragment decodes to the golden values", gpu::NEED, adapter, |()| decodes_on_the_gpu()),
        needing("every fragment decodes blocks of the real model", need, model_and_adapter, |path| {
            real_blocks_on_the_gpu(&path)
        }),
    ]
}

/// Decodes `blocks` by the WGSL fragment, as one row.
fn dequant(gpu: &Gpu, format: &'static Format, blocks: &[u8]) -> gemma_web::Result<Vec<f32>> {
    let n_weights = blocks.len() / format.block_bytes * format.block_len;
    let w = Matrix::allocate(gpu, format.name, format, 1, n_weights as u64)?;
    w.write_rows(gpu, 0, 0, blocks);
    let x = gpu.tensor("x", 1, n_weights)?;
    let staging = gpu.staging("x", x.bytes());
    let mut plan = Plan::new(gpu, "dequant");
    dequant::record(&mut plan, gpu, &w, &x);
    let params = RunParams { n_tokens: 1, ..RunParams::default() };
    gpu.run(&[Command::Plan(&plan, params), Command::copy(&x, &staging, x.bytes())])?;
    block_on(gpu.read_f32(&staging, x.bytes()))
}

fn decodes_on_the_gpu() -> Result<(), Failed> {
    let gpu = block_on(Gpu::open(&GpuOptions::default()))?;
    for format in FORMATS {
        let (blocks, expected) = golden(format);
        let found = dequant(&gpu, format, &blocks)?;
        same_bits(&found, &expected).map_err(|why| format!("{format:?}: {why}"))?;
    }
    Ok(())
}

fn real_blocks_on_the_gpu(path: &Path) -> Result<(), Failed> {
    let gpu = block_on(Gpu::open(&GpuOptions::default()))?;
    each_sample(path, |sample, format, blocks, values| {
        let found = dequant(&gpu, format, blocks)?;
        let place = |why| format!("{} from block {}: {why}", sample.tensor, sample.first_block);
        Ok(same_bits(&found, values).map_err(place)?)
    })
}
