//! Models that are addresses, and models in several files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::gpu::{NEED, adapter};
use crate::support::suite::{Test, needing, test};
use gemma_web::source::address;
use gemma_web::source::download::describe;
use gemma_web::source::native::store::{DiskStore, cache_folder};
use serde_json::Value;

use crate::http_server::HttpServer;
use crate::support::gguf_split::split;
use crate::support::gguf_writer::GgufWriter;
use crate::{EXACT, Outcome, gemma, model};

pub(crate) fn tests() -> Vec<Test> {
    let on_gpu = |name, test: fn()| needing(name, NEED, adapter(), move |()| test());
    vec![
        test("models are read from addresses", addresses_are_read),
        test("bad addresses are refused", bad_addresses_are_refused),
        on_gpu("a checksum is checked", a_checksum_is_checked),
        on_gpu("a killed download goes on", a_killed_download_goes_on),
        on_gpu("two processes share a download", two_processes_share_a_download),
        on_gpu("shards are found by one name", shards_are_found_by_one_name),
    ]
}

const MODEL: &str = "tiny-gemma3-q4_k_m";

/// An empty folder for this test's cache.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("downloads-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn command(cache: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gemma"));
    command.args(args).env("XDG_CACHE_HOME", cache).env_remove("HF_TOKEN").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // Mesa's drivers keep compiled shaders in the cache folder too; to compile them again would take a minute.
    let home = cache_folder().and_then(|folder| folder.parent().map(Path::to_owned));
    command.env("MESA_SHADER_CACHE_DIR", home.unwrap_or_default());
    command
}

fn run(mut command: Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn tiny() -> Vec<u8> {
    std::fs::read(model(MODEL)).unwrap()
}

/// Output of `eval`, however it gets the model.
fn logits(outcome: &Outcome) -> Value {
    outcome.json()["logits"].clone()
}

fn addresses_are_read() {
    let server = HttpServer::start([("/m.gguf".to_owned(), tiny())]);
    let (cache, url) = (folder("addresses"), format!("{}/m.gguf?token=hidden", server.address));
    let inspected = run(command(&cache, &["inspect", &url, "--json", "--header", "X-Key: 7"])).json();
    let local = gemma(&["inspect", &model(MODEL), "--json"]).json();
    for part in ["metadata", "tensors", "sizes", "verdict"] {
        assert_eq!(inspected[part], local[part], "{part}");
    }
    assert_eq!(inspected["file"]["path"], format!("{}/m.gguf", server.address));
    let requests = server.take_requests();
    assert!(requests.iter().all(|head| head.to_lowercase().contains("x-key: 7")), "{requests:?}");
    // The whole file is in the cache: the next command sends no request.
    let ids = run(command(&cache, &["tokenize", &url, "-p", "a b", "--json"])).json();
    assert_eq!(ids, gemma(&["tokenize", &model(MODEL), "-p", "a b", "--json"]).json());
    assert_eq!(server.take_requests(), [""; 0]);
    run(command(&cache, &["inspect", &url, "--no-cache", "--json"])).json();
    assert_eq!(server.take_requests().len(), 1, "asked anew");
    // The token of Hugging Face goes nowhere else.
    let mut other = command(&cache, &["inspect", &url, "--no-cache"]);
    other.env("HF_TOKEN", "secret");
    run(other).succeeded();
    assert!(server.take_requests().iter().all(|head| !head.contains("secret")));
}

fn bad_addresses_are_refused() {
    let server = HttpServer::start([("/m.gguf".to_owned(), tiny())]);
    let url = |path: &str| format!("{}/{path}", server.address);
    let cache = folder("bad");
    let failed = |args: &[&str]| {
        let outcome = run(command(&cache, args));
        let error: Value = serde_json::from_str(&outcome.stderr).unwrap();
        (outcome.code.unwrap(), error["error"]["code"].as_str().unwrap().to_owned(), outcome.stderr)
    };
    let hex = "0".repeat(64);
    let (missing, whole, local) = (url("none.gguf?token=hidden"), url("m.gguf"), model(MODEL));
    let shard = url("m-00001-of-00002.gguf");
    let cases: [(&[&str], i32, &str); 8] = [
        (&["inspect", &missing, "--json"], 1, "http"),
        (&["inspect", &shard, "--json"], 1, "http"),
        (&["inspect", "http://me:hidden@localhost/m.gguf", "--json"], 2, "invalid_option"),
        (&["inspect", "hf:owner/m.gguf", "--json"], 2, "invalid_option"),
        (&["inspect", "http://", "--json"], 2, "invalid_option"),
        (&["inspect", &local, "--sha256", &hex, "--json"], 2, "invalid_option"),
        (&["inspect", &whole, "--sha256", "12", "--json"], 2, "invalid_option"),
        (&["inspect", &shard, "--sha256", &hex, "--json"], 2, "invalid_option"),
    ];
    for (args, code, name) in cases {
        let (found, kind, stderr) = failed(args);
        assert_eq!((found, kind.as_str()), (code, name), "{args:?}: {stderr}");
        assert!(!stderr.contains("hidden"), "{stderr}");
    }
}

fn a_checksum_is_checked() {
    let server = HttpServer::start([("/m.gguf".to_owned(), tiny())]);
    let (cache, url) = (folder("checksum"), format!("{}/m.gguf", server.address));
    let eval = |sha256: &str| {
        run(command(
            &cache,
            &[&["eval", &url, "--ids", "2,10", "--json", "--sha256", sha256], &EXACT[..]].concat(),
        ))
    };
    let wrong = eval(&"0".repeat(64));
    assert!(wrong.code == Some(1) && wrong.stderr.contains("checksum_mismatch"), "{}", wrong.stderr);
    server.take_requests();
    let right: String = {
        use sha2::{Digest, Sha256};
        Sha256::digest(tiny()).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    eval(&right).succeeded();
    assert_eq!(server.sent(), tiny().len() as u64, "nothing of the wrong one was kept");
    server.take_requests();
    eval(&right).succeeded();
    assert_eq!(server.sent(), 0);
}

fn a_killed_download_goes_on() {
    // Nothing reads the many bytes behind the tensors; they are fetched all the same, so that the file is whole.
    let mut file = tiny();
    file.resize(40_000_000, 7);
    let size = file.len() as u64;
    let server = HttpServer::start([("/m.gguf".to_owned(), file)]);
    let (cache, url) = (folder("killed"), format!("{}/m.gguf", server.address));
    let args = [&["eval", url.as_str(), "--ids", "2,10", "--json"], &EXACT[..]].concat();
    let half = size / 2;
    server.stall_at(half);
    let mut child = command(&cache, &args).spawn().unwrap();
    while server.sent() < half {
        assert!(child.try_wait().unwrap().is_none(), "the process ended");
        sleep(Duration::from_millis(10));
    }
    // The bytes sent last are yet to be written.
    sleep(Duration::from_millis(500));
    child.kill().unwrap();
    child.wait().unwrap();
    let stored = {
        let mut entry =
            DiskStore::open(&cache.join("gemma-web/models"), &address::id(&url), &mut || {}).unwrap();
        describe(&mut entry).unwrap().unwrap().stored
    };
    assert!(stored > 0 && stored <= half + (1 << 20), "{stored}");
    server.stall_at(u64::MAX);
    // The server's threads have data for a process that is gone.
    sleep(Duration::from_millis(200));
    server.take_requests();
    let outcome = run(command(&cache, &args));
    assert_eq!(logits(&outcome), logits(&gemma(&["eval", &model(MODEL), "--ids", "2,10", "--json"])));
    let asked: u64 = server.take_requests().iter().map(|head| asked(head, size)).sum();
    assert_eq!(asked, size - stored, "only what is missing");
    // The third command sends no request, and reports that the bytes come from the cache.
    let plain = run(command(&cache, &[&["eval", url.as_str(), "--ids", "2,10"], &EXACT[..]].concat()));
    assert!(plain.succeeded().stderr.contains("0.0 MB downloaded"), "{}", plain.stderr);
    assert_eq!(server.take_requests(), [""; 0]);
}

/// Bytes that a request asks for.
fn asked(head: &str, size: u64) -> u64 {
    let range =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let range = range.unwrap();
    let (first, last) = range.trim().split_once('-').unwrap();
    (last.parse::<u64>().unwrap() + 1).min(size) - first.parse::<u64>().unwrap()
}

fn two_processes_share_a_download() {
    let mut file = tiny();
    file.resize(30_000_000, 7);
    let size = file.len() as u64;
    let server = HttpServer::start([("/m.gguf".to_owned(), file)]);
    let (cache, url) = (folder("shared"), format!("{}/m.gguf", server.address));
    let args = [&["eval", url.as_str(), "--ids", "2,10", "--json"], &EXACT[..]].concat();
    server.stall_at(size / 2);
    let first = command(&cache, &args).spawn().unwrap();
    while server.sent() < size / 2 {
        sleep(Duration::from_millis(10));
    }
    let second = command(&cache, &args).spawn().unwrap();
    sleep(Duration::from_millis(300));
    server.stall_at(u64::MAX);
    let outputs = [first, second].map(|child| child.wait_with_output().unwrap());
    assert!(outputs.iter().all(|output| output.status.success()), "{outputs:?}");
    assert_eq!(outputs[0].stdout, outputs[1].stdout);
    assert_eq!(server.sent(), size, "sent once");
}

fn shards_are_found_by_one_name() {
    let (file, folder) = (tiny(), folder("shards"));
    let shards: Vec<GgufWriter> = split(&file, &[5, 12]);
    let name = |i: usize| format!("m-0000{i}-of-00003.gguf");
    let named = || shards.iter().zip(1..).map(|(shard, i)| (name(i), shard.file()));
    for (name, bytes) in named() {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let server = HttpServer::start(named().map(|(name, bytes)| (format!("/{name}"), bytes)));
    let first = folder.join(name(1)).to_str().unwrap().to_owned();
    let second = folder.join(name(2)).to_str().unwrap().to_owned();
    let url = format!("{}/{}?v=1", server.address, name(1));
    let whole = logits(&gemma(&["eval", &model(MODEL), "--ids", "2,10,20", "--json"]));
    for model in [&first, &second, &url] {
        let args = [&["eval", model.as_str(), "--ids", "2,10,20", "--json"], &EXACT[..]].concat();
        assert_eq!(logits(&run(command(&folder, &args))), whole, "{model}");
    }
    std::fs::remove_file(&second).unwrap();
    let missing = gemma(&["inspect", &first, "--json"]);
    assert!(missing.code == Some(1) && missing.stderr.contains(&name(2)), "{}", missing.stderr);
    std::fs::copy(&first, &second).unwrap();
    let wrong = gemma(&["inspect", &first, "--json"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("wrong_shard"), "{}", wrong.stderr);
}
