//! Full-shape models of random weights against exact logits, if `GEMMA_WEB_SHAPES_DIR` holds their files (0.8 to 1.7 GB each;
//! tests/data/README.md says how they are made).

use std::collections::HashMap;
use std::path::PathBuf;

use crate::support::compare::close;
use crate::support::goldens::data;
use crate::support::gpu::{F32, load};
use crate::support::suite::{Test, needing};
use gemma_web::Cancel;
use gemma_web::engine::{KvType, LoadOptions};
use libtest_mimic::Failed;
use pollster::block_on;
use serde::Deserialize;

const MODELS: [&str; 4] = [
    "gemma1-2b-synth-q4_0.gguf",
    "gemma1-2b-synth-q4_k_m.gguf",
    "gemma2-2b-synth-q4_k_m.gguf",
    "gemma3-1b-synth-q4_k_m.gguf",
];

/// The exact result of one prompt.
#[derive(Deserialize)]
struct Golden {
    bytes: u64,
    ids: Vec<u32>,
    exact_f32_top20: Vec<(usize, f32)>,
}

pub(crate) fn tests() -> Vec<Test> {
    let folder = std::env::var_os("GEMMA_WEB_SHAPES_DIR").map(PathBuf::from);
    let on_gpu = |model: &'static str| {
        let file = folder.as_ref().map(|folder| folder.join(model)).filter(|file| file.exists());
        needing(model, "its file in GEMMA_WEB_SHAPES_DIR", file, move |file| exact(model, file))
    };
    MODELS.into_iter().map(on_gpu).collect()
}

/// f32 cache: sums of f32 in another order. f16 cache: keys and values rounded to 11 bits, as on the trained 270M.
const TOLERANCES: [(KvType, f32); 2] = [(KvType::F32, 1e-3), (KvType::F16, 0.03)];

fn exact(model: &str, file: PathBuf) -> Result<(), Failed> {
    let text = std::fs::read_to_string(data("synthetic/synthetic.json"))?;
    let goldens: HashMap<String, Golden> = serde_json::from_str(&text)?;
    let golden = goldens.get(model).ok_or("no exact result")?;
    if file.metadata()?.len() != golden.bytes {
        return Err(format!("{} is not the file that the result is of", file.display()).into());
    }
    for (kv, max_abs) in TOLERANCES {
        let mut engine = load(&file, &LoadOptions { kv, tuning: F32, ..LoadOptions::default() })?;
        let logits = block_on(engine.logits(&golden.ids, &Cancel::default()))?;
        let (ids, exact): (Vec<usize>, Vec<f32>) = golden.exact_f32_top20.iter().copied().unzip();
        let found: Vec<f32> = ids.iter().filter_map(|id| logits.get(*id).copied()).collect();
        close(&format!("{model}, {kv:?}"), &exact, &found, max_abs)?;
    }
    Ok(())
}
