//! The files of `tests/cpu/hostile_corpus/mod.rs`, and the outcome of each.

use crate::support::gguf_split::split;
use crate::support::gguf_writer::{GgufWriter, Kv};
use crate::support::small_model::model;

/// Outcome of a file.
pub(crate) enum Outcome {
    /// The code of the error, and words of its message.
    Refused(&'static str, &'static [&'static str]),
    /// The file can be run; the reason why that is right.
    Loads(#[allow(dead_code, reason = "for who reads it here")] &'static str),
}

/// A file, or the shards of one.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) files: Vec<Vec<u8>>,
    pub(crate) outcome: Outcome,
}

use Outcome::{Loads, Refused};

fn case(name: &'static str, file: Vec<u8>, outcome: Outcome) -> Case {
    Case { name, files: vec![file], outcome }
}

pub(crate) fn all() -> Vec<Case> {
    let mut cases = vec![case("an honest model", base().file(), Loads("it is"))];
    cases.extend(strangers());
    cases.extend(counts_and_lengths());
    cases.extend(places());
    cases.extend(hyper_parameters());
    cases.extend(tensors());
    cases.extend(vocabularies());
    cases.extend(shards());
    cases
}

fn base() -> GgufWriter {
    model("gemma3")
}

/// The base with another value for a key.
fn with(key: &str, value: Kv) -> GgufWriter {
    base().without(key).key(key, value)
}

/// An array: the type of its elements, the number that it declares, and bytes.
fn array(element: u32, len: u64, bytes: &[u8]) -> Kv {
    Kv::Raw(9, [&element.to_le_bytes()[..], &len.to_le_bytes(), bytes].concat())
}

fn strangers() -> Vec<Case> {
    let magic = |magic: &[u8; 4]| GgufWriter { magic: *magic, ..base() }.file();
    let version = |version| GgufWriter { version, ..base() }.file();
    let not = || Refused("not_gguf", &["GGUF"]);
    vec![
        case("an empty file", vec![], Refused("truncated", &["magic"])),
        case("one byte", b"G".to_vec(), Refused("truncated", &["magic"])),
        case("an error page", b"<!DOCTYPE html><title>404</title>".to_vec(), not()),
        case("a zip archive", magic(b"PK\x03\x04"), not()),
        case("the format before GGUF", magic(b"ggjt"), not()),
        case("the magic number backwards", magic(b"FUGG"), not()),
        case("version 0", version(0), Refused("unsupported_version", &["version 0"])),
        case("version 1", version(1), Refused("unsupported_version", &["version 1"])),
        case("version 4", version(4), Refused("unsupported_version", &["version 4"])),
        case("big-endian", version(3u32.swap_bytes()), Refused("unsupported", &["big-endian"])),
    ]
}

fn counts_and_lengths() -> Vec<Case> {
    let lies = |n_tensors, n_keys| GgufWriter { n_tensors, n_keys, ..base() }.file();
    let (n_tensors, n_keys) = (base().tensors.len() as u64, base().keys.len() as u64);
    let malformed = |words| Refused("malformed", words);
    let key = |value| base().key("liar", value).file();
    let long = |len: u64| [&len.to_le_bytes()[..], b"text"].concat();
    let mut bad_key = base().key("kk", Kv::U8(1));
    bad_key.keys.last_mut().unwrap().0 = b"\xff\xfe".to_vec();
    let cut = |at: usize| base().file()[..at].to_vec();
    let (head, whole) = (base().header().len(), base().file().len());
    vec![
        case("2^64-1 tensors", lies(Some(u64::MAX), None), malformed(&["number of tensors", "cap"])),
        case("2^64-1 keys", lies(None, Some(u64::MAX)), malformed(&["metadata keys", "cap"])),
        case("2^63 tensors", lies(Some(1 << 63), None), malformed(&["number of tensors", "cap"])),
        case("as many tensors as the cap", lies(Some(1 << 14), None), malformed(&[])),
        case("one tensor more than there is", lies(Some(n_tensors + 1), None), malformed(&["dimensions"])),
        case(
            "one tensor fewer than there are",
            lies(Some(n_tensors - 1), None),
            Refused("missing_tensor", &["attn_k_norm"]),
        ),
        case("one key more than there is", lies(None, Some(n_keys + 1)), malformed(&[])),
        case("no keys, tensors where they were", lies(None, Some(0)), malformed(&[])),
        case(
            "a key of 2^64-1 bytes",
            [&b"GGUF\x03\0\0\0"[..], &[0; 8], &[1, 0, 0, 0, 0, 0, 0, 0], &[255; 8]].concat(),
            malformed(&["metadata key 0", "cap"]),
        ),
        case("a text of 2^64-1 bytes", key(Kv::Raw(8, long(u64::MAX))), malformed(&["liar", "cap"])),
        case("a text past the end", key(Kv::Raw(8, long(1 << 22))), Refused("truncated", &["liar"])),
        case("2^64-1 numbers", key(array(6, u64::MAX, &[0; 64])), malformed(&["liar", "cap"])),
        case("numbers whose bytes overflow", key(array(10, 1 << 61, &[0; 64])), malformed(&["liar", "cap"])),
        case("numbers past the end", key(array(12, 1 << 22, &[0; 64])), Refused("truncated", &["liar"])),
        case("texts past the end", key(array(8, 1 << 22, &[0; 64])), Refused("truncated", &["liar"])),
        case(
            "a text in an array, past the end",
            key(array(8, 1, &long(1 << 40))),
            malformed(&["liar", "cap"]),
        ),
        case("an array of arrays", key(array(9, 1, &[9; 64])), malformed(&["array of arrays"])),
        case("a value type that isn't", key(Kv::Raw(99, vec![0; 8])), malformed(&["value type 99"])),
        case("an element type that isn't", key(array(77, 1, &[0; 8])), malformed(&["element type 77"])),
        case("a boolean of 2", key(Kv::Raw(7, vec![2])), malformed(&["boolean 2"])),
        case(
            "a key twice",
            base().key("general.architecture", Kv::Str("gemma".to_owned())).file(),
            malformed(&["twice"]),
        ),
        case("a key that isn't UTF-8", bad_key.file(), malformed(&["UTF-8"])),
        case("a key without a name", base().key("", Kv::U8(1)).file(), Loads("nobody asks for it")),
        case(
            "a text that isn't UTF-8",
            key(Kv::Raw(8, [&4u64.to_le_bytes()[..], b"\xff\xc0\x80\xf5"].concat())),
            Loads("values are shown with U+FFFD"),
        ),
        case(
            "a text with a NUL",
            with("general.name", Kv::Str("a\0b".to_owned())).file(),
            Loads("Rust's strings hold it"),
        ),
        case("cut in the header", cut(head / 2), Refused("truncated", &[])),
        case("cut behind the header", cut(head), Refused("truncated", &["tensor"])),
        case("cut before the last byte", cut(whole - 1), Refused("truncated", &["tensor"])),
        case(
            "bytes behind the end",
            [base().file(), vec![1; 1000]].concat(),
            Loads("what no tensor takes is not read"),
        ),
    ]
}

fn places() -> Vec<Case> {
    let align = |value| with("general.alignment", value).file();
    let bad = |words| Refused("bad_key", words);
    let malformed = |words| Refused("malformed", words);
    // In place of the last tensor.
    let last = |shape: &[u64], ggml_type| {
        let mut writer = base();
        writer.tensors.pop();
        writer.tensor_with("blk.0.attn_k_norm.weight", shape, ggml_type, vec![0; 64])
    };
    let norm = || last(&[16], 0);
    let mut bad_name = base();
    bad_name.tensors[0].name = b"token\xff".to_vec();
    let far = GgufWriter { alignment: 1 << 16, ..with("general.alignment", Kv::U32(1 << 16)) };
    vec![
        case("alignment 0", align(Kv::U32(0)), bad(&["general.alignment", "power of two"])),
        case("alignment 2^31", align(Kv::U32(1 << 31)), bad(&["2147483648"])),
        case("alignment 24", align(Kv::U32(24)), bad(&["24"])),
        case("alignment -32", align(Kv::I32(-32)), bad(&["-32"])),
        case("alignment as a text", align(Kv::Str("32".to_owned())), bad(&["string"])),
        case("alignment 2^64-1", align(Kv::U64(u64::MAX)), bad(&["18446744073709551615"])),
        case("alignment 65536", far.file(), Loads("it is only sparse")),
        case("a tensor of no weights", last(&[0], 0).file(), malformed(&["attn_k_norm", "no weights"])),
        case("a tensor of no rows", last(&[16, 0], 0).file(), malformed(&["no weights"])),
        case("a tensor of no dimensions", last(&[], 0).file(), malformed(&["0 dimensions"])),
        case("a tensor of 5 dimensions", last(&[1; 5], 0).file(), malformed(&["5 dimensions"])),
        case("extents that overflow", last(&[1 << 32, 1 << 32, 16], 0).file(), malformed(&["cap"])),
        case("an extent of 2^64-1", last(&[u64::MAX], 0).file(), malformed(&["cap"])),
        case(
            "more weights than there is disk",
            last(&[1 << 20, 1 << 20], 0).file(),
            Refused("truncated", &["attn_k_norm"]),
        ),
        case("half a block in a row", last(&[16], 8).file(), malformed(&["32 weights of a Q8_0 block"])),
        case(
            "a type that isn't decoded",
            last(&[256], 19).file(),
            Refused("unsupported_tensor_type", &["attn_k_norm"]),
        ),
        case(
            "a type that isn't",
            last(&[16], u32::MAX).file(),
            Refused("unsupported_tensor_type", &["4294967295"]),
        ),
        case(
            "a tensor twice",
            base().tensor("output_norm.weight", &[32], 0).file(),
            malformed(&["output_norm", "twice"]),
        ),
        case(
            "a tensor without a name",
            base().tensor("", &[32], 0).file(),
            Refused("unsupported", &["\"\""]),
        ),
        case(
            "a tensor with a name of 300 bytes",
            base().tensor(&"t".repeat(300), &[32], 0).file(),
            malformed(&["cap of 256"]),
        ),
        case("a name that isn't UTF-8", bad_name.file(), malformed(&["UTF-8"])),
        case("off the alignment", norm().at(8).file(), malformed(&["offset 8", "alignment 32"])),
        case("at 2^64-32", norm().at(u64::MAX - 31).file(), malformed(&["beyond any file"])),
        case("beyond the end", norm().at(1 << 40).file(), Refused("truncated", &["attn_k_norm"])),
        case("two tensors in one place", norm().at(0).file(), malformed(&["overlaps"])),
        case("two tensors that overlap by a block", norm().at(320).file(), malformed(&["overlaps"])),
    ]
}

fn hyper_parameters() -> Vec<Case> {
    let set = |key: &str, value| with(&format!("gemma3.{key}"), value).file();
    let number = |key: &str, value| set(key, Kv::U32(value));
    let float = |key: &str, value| set(key, Kv::F32(value));
    let without = |key: &str| base().without(key).file();
    let bad = |words| Refused("bad_key", words);
    let unsupported = |words| Refused("unsupported", words);
    let missing = |words| Refused("missing_key", words);
    let positive = || Refused("bad_key", &["a positive number"]);
    vec![
        case("no architecture", without("general.architecture"), missing(&["general.architecture"])),
        case(
            "a number for an architecture",
            with("general.architecture", Kv::U32(3)).file(),
            bad(&["general.architecture"]),
        ),
        case(
            "another architecture",
            with("general.architecture", Kv::Str("llama".to_owned())).file(),
            Refused("unsupported_architecture", &["llama"]),
        ),
        case(
            "keys of another architecture",
            with("general.architecture", Kv::Str("gemma2".to_owned())).file(),
            missing(&["gemma2."]),
        ),
        case("no block count", without("gemma3.block_count"), missing(&["block_count"])),
        case("no blocks", number("block_count", 0), bad(&["block_count"])),
        case("2^32-1 blocks", number("block_count", u32::MAX), bad(&["block_count", "4294967295"])),
        case("2^24 blocks", number("block_count", 1 << 24), bad(&["block_count", "at most 256"])),
        case(
            "256 blocks of which one is there",
            number("block_count", 256),
            Refused("missing_tensor", &["blk.1."]),
        ),
        case("-1 blocks", set("block_count", Kv::I32(-1)), bad(&["-1"])),
        case("blocks as a text", set("block_count", Kv::Str("1".to_owned())), bad(&["string"])),
        case("blocks as a float", float("block_count", 1.0), bad(&["float"])),
        case("no heads", number("attention.head_count", 0), bad(&["head_count"])),
        case("2^24 heads", number("attention.head_count", 1 << 24), bad(&["head_count", "16777216"])),
        case(
            "more heads than the model is wide",
            number("attention.head_count", 64),
            bad(&["head_count", "at most 32"]),
        ),
        case(
            "three heads on two",
            base()
                .without("gemma3.attention.head_count")
                .without("gemma3.attention.head_count_kv")
                .key("gemma3.attention.head_count", Kv::U32(3))
                .key("gemma3.attention.head_count_kv", Kv::U32(2))
                .file(),
            unsupported(&["3 heads on 2"]),
        ),
        case(
            "more key heads than heads",
            number("attention.head_count_kv", 4),
            unsupported(&["2 heads on 4"]),
        ),
        case("no key heads", number("attention.head_count_kv", 0), bad(&["head_count_kv"])),
        case("a head of 24", number("attention.key_length", 24), unsupported(&["head size", "24"])),
        case("a head of 2^20", number("attention.key_length", 1 << 20), bad(&["head_count"])),
        case(
            "values of another length",
            number("attention.value_length", 32),
            unsupported(&["32 against 16"]),
        ),
        case("a width of 33", number("embedding_length", 33), unsupported(&["multiple of 16"])),
        case("a width of 2^24", number("embedding_length", 1 << 24), bad(&["embedding_length"])),
        case("a feed-forward of 2^24", number("feed_forward_length", 1 << 24), bad(&["feed_forward_length"])),
        case(
            "a feed-forward that the tensors don't have",
            number("feed_forward_length", 64),
            Refused("wrong_shape", &["ffn_gate"]),
        ),
        case("no context", number("context_length", 0), bad(&["context_length"])),
        case("a context of 2^32-1", number("context_length", u32::MAX), bad(&["context_length"])),
        case(
            "a context of 2^24",
            number("context_length", 1 << 24),
            Loads("4096 of it are taken unless asked for more"),
        ),
        case("a window of 0", number("attention.sliding_window", 0), bad(&["sliding_window"])),
        case(
            "a window of 2^24",
            number("attention.sliding_window", 1 << 24),
            Loads("no more than the context is kept"),
        ),
        case("a pattern of 0", number("attention.sliding_window_pattern", 0), bad(&["pattern"])),
        case("NaN for epsilon", float("attention.layer_norm_rms_epsilon", f32::NAN), positive()),
        case("0 for epsilon", float("attention.layer_norm_rms_epsilon", 0.0), positive()),
        case("an integer for epsilon", number("attention.layer_norm_rms_epsilon", 1), bad(&["a float"])),
        case("an infinite base", float("rope.freq_base", f32::INFINITY), positive()),
        case("a negative cap", float("final_logit_softcapping", -30.0), positive()),
        case(
            "a scaling that isn't known",
            set("rope.scaling.type", Kv::Str("yarn".to_owned())),
            unsupported(&["yarn"]),
        ),
        case(
            "a scaling by NaN",
            base()
                .key("gemma3.rope.scaling.type", Kv::Str("linear".to_owned()))
                .key("gemma3.rope.scaling.factor", Kv::F32(f32::NAN))
                .file(),
            positive(),
        ),
    ]
}

fn tensors() -> Vec<Case> {
    let reshaped = |ix: usize, shape: &[u64]| {
        let mut writer = base();
        writer.tensors[ix].shape = shape.to_vec();
        writer
    };
    let wrong = |words| Refused("wrong_shape", words);
    let without = |ix: usize| {
        let mut writer = base();
        writer.tensors.remove(ix);
        writer
    };
    // Scales of Q8_0 blocks: f16 NaN and infinity.
    let scaled = |scale: u16| {
        let mut writer = base();
        writer.tensors[0]
            .data
            .chunks_exact_mut(34)
            .for_each(|block| block[..2].copy_from_slice(&scale.to_le_bytes()));
        writer.file()
    };
    let mut nan_norm = base();
    nan_norm.tensors[1].data = f32::NAN.to_le_bytes().repeat(32);
    let mut quantised_norm = without(1).tensor("output_norm.weight", &[32], 8);
    quantised_norm.tensors.rotate_right(1);
    // The engine stops on results that are not finite; a load does not examine single weights.
    let runs = || Loads("weights are not looked at one by one; what is no number ends the generation");
    vec![
        case("no embedding", without(0).file(), Refused("missing_tensor", &["token_embd"])),
        case("no norm", without(1).file(), Refused("missing_tensor", &["output_norm"])),
        case(
            "no tensors at all",
            GgufWriter { tensors: vec![], ..base() }.file(),
            Refused("missing_tensor", &["token_embd"]),
        ),
        case(
            "fewer rows than tokens",
            reshaped(0, &[32, 9]).file(),
            wrong(&["token_embd", "[32, 9]", "[32, 10]"]),
        ),
        case("a matrix on its side", reshaped(0, &[320, 1]).file(), wrong(&["token_embd"])),
        case("a matrix in one dimension", reshaped(0, &[320]).file(), wrong(&["token_embd"])),
        case("a matrix in three dimensions", reshaped(0, &[32, 10, 1]).file(), wrong(&["token_embd"])),
        case("a norm that is a matrix", reshaped(1, &[16, 2]).file(), wrong(&["output_norm"])),
        case(
            "a tensor too many",
            base().tensor("blk.0.attn_sinks.weight", &[32], 0).file(),
            Refused("unsupported", &["attn_sinks"]),
        ),
        case(
            "a block too many",
            base().tensor("blk.1.attn_norm.weight", &[32], 0).file(),
            Refused("unsupported", &["blk.1."]),
        ),
        case(
            "an output of another shape",
            base().tensor("output.weight", &[32, 11], 8).file(),
            wrong(&["output.weight"]),
        ),
        case("a norm in blocks", quantised_norm.file(), Loads("any format decodes to floats")),
        case("NaN scales", scaled(0x7e00), runs()),
        case("infinite scales", scaled(0x7c00), runs()),
        case("NaN in a norm", nan_norm.file(), runs()),
    ]
}

fn vocabularies() -> Vec<Case> {
    let set = |key: &str, value| with(&format!("tokenizer.ggml.{key}"), value).file();
    let bad = |words| Refused("bad_key", words);
    // Ten tokens, as the embedding has rows.
    let tokens = |tokens: [&str; 10], types: [i32; 10]| {
        with("tokenizer.ggml.tokens", Kv::Strings(tokens.map(str::to_owned).to_vec()))
            .without("tokenizer.ggml.token_type")
            .key("tokenizer.ggml.token_type", Kv::I32s(types.to_vec()))
            .file()
    };
    let long = "a".repeat(1 << 20);
    let normal = [1; 10];
    let unknown = [2, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    let lossy: Vec<u8> =
        (0..10u8).flat_map(|i| [&2u64.to_le_bytes()[..], &[0xff, 0x80 + i]].concat()).collect();
    let crowd = array(8, 1 << 18, &vec![0; 8 << 18]);
    vec![
        case(
            "no tokenizer",
            base().without("tokenizer.ggml.model").file(),
            Refused("missing_key", &["tokenizer.ggml.model"]),
        ),
        case(
            "another tokenizer",
            set("model", Kv::Str("gpt2".to_owned())),
            Refused("unsupported", &["gpt2"]),
        ),
        case(
            "no tokens key",
            base().without("tokenizer.ggml.tokens").file(),
            Refused("missing_key", &["tokenizer.ggml.tokens"]),
        ),
        case("no tokens in it", set("tokens", Kv::Strings(vec![])), Refused("wrong_shape", &["token_embd"])),
        case("numbers for tokens", set("tokens", Kv::I32s(vec![0; 10])), bad(&["array of strings"])),
        case(
            "262144 tokens of nothing",
            set("tokens", crowd),
            Refused("wrong_shape", &["token_embd", "262144"]),
        ),
        case(
            "no scores",
            base().without("tokenizer.ggml.scores").file(),
            Refused("missing_key", &["scores"]),
        ),
        case("a score too few", set("scores", Kv::F32s(vec![0.0; 9])), bad(&["scores", "10 tokens"])),
        case("texts for scores", set("scores", Kv::Strings(vec![String::new(); 10])), bad(&["scores"])),
        case(
            "NaN scores",
            set("scores", Kv::F32s(vec![f32::NAN; 10])),
            Loads("any order of the merges is one"),
        ),
        case(
            "infinite scores",
            set("scores", Kv::F32s([f32::INFINITY, f32::NEG_INFINITY].repeat(5))),
            Loads("as NaN"),
        ),
        case(
            "no types",
            base().without("tokenizer.ggml.token_type").file(),
            Refused("missing_key", &["token_type"]),
        ),
        case("a type too many", set("token_type", Kv::I32s(vec![1; 11])), bad(&["token_type"])),
        case("floats for types", set("token_type", Kv::F32s(vec![1.0; 10])), bad(&["token_type"])),
        case(
            "types that aren't",
            tokens(
                ["<unk>", "a", "b", "c", "d", "e", "f", "g", "h", "i"],
                [2, 99, -5, i32::MAX, i32::MIN, 0, 7, 8, 9, 10],
            ),
            Loads("they are taken for pieces"),
        ),
        case(
            "a piece of a megabyte",
            tokens(["<unk>", &long, "a", "b", "c", "d", "e", "f", "g", "h"], unknown),
            bad(&["1048576 bytes", "at most 512"]),
        ),
        case(
            "a symbol of a megabyte",
            tokens(["<unk>", &long, "a", "b", "c", "d", "e", "f", "g", "h"], [2, 4, 1, 1, 1, 1, 1, 1, 1, 1]),
            Loads("symbols are only looked for"),
        ),
        case("one token ten times", tokens(["a"; 10], unknown), Loads("the first of a text counts")),
        case("tokens of nothing", tokens([""; 10], unknown), Loads("nothing is made of them")),
        case(
            "pieces that make each other",
            tokens(["<unk>", "a", "b", "ab", "bb", "aba", "bab", "abab", "baba", "ababab"], unknown),
            Loads("merges go from shorter to longer"),
        ),
        case(
            "neither bytes nor an unknown token",
            tokens(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], normal),
            bad(&["256 byte tokens", "0 byte tokens"]),
        ),
        case(
            "one byte ten times",
            tokens(["<0x41>"; 10], [6; 10]),
            bad(&["256 byte tokens", "1 byte tokens"]),
        ),
        case(
            "bytes that are none",
            tokens(
                ["<unk>", "<0xZZ>", "<0x>", "<0x100>", "0x41", "<0x+1>", "<0x4", "", "<0xé>", "<0x0a>"],
                [2, 6, 6, 6, 6, 6, 6, 6, 6, 6],
            ),
            Loads("they are never used"),
        ),
        case(
            "ten unknown tokens",
            tokens(["<unk>", "a", "b", "c", "d", "e", "f", "g", "h", "i"], [2; 10]),
            Loads("the first counts"),
        ),
        case(
            "no control tokens",
            tokens(["<unk>", "a", "b", "c", "d", "e", "f", "g", "h", "i"], unknown),
            Loads("texts end at the length that is asked for"),
        ),
        case(
            "tokens that aren't UTF-8",
            with("tokenizer.ggml.tokens", array(8, 10, &lossy)).file(),
            Loads("byte pieces aren't; they show as U+FFFD"),
        ),
        case(
            "BOS beyond the vocabulary",
            set("bos_token_id", Kv::U32(u32::MAX)),
            Loads("it is found by its name"),
        ),
        case("a negative BOS", set("bos_token_id", Kv::I32(-1)), bad(&["bos_token_id"])),
        case("a text for EOS", set("eos_token_id", Kv::Str("<eos>".to_owned())), bad(&["eos_token_id"])),
        case("a number for add_bos_token", set("add_bos_token", Kv::U8(1)), bad(&["boolean"])),
        case(
            "merges that name nothing",
            base()
                .key(
                    "tokenizer.ggml.merges",
                    Kv::Strings(vec!["x y".to_owned(), String::new(), "a  b".to_owned()]),
                )
                .file(),
            Loads("merges follow from the scores; the list is not read"),
        ),
    ]
}

fn shards() -> Vec<Case> {
    let files = |counts: &[usize]| -> Vec<GgufWriter> {
        split(&base().key("general.name", Kv::Str("m".to_owned())).file(), counts)
    };
    let written = |shards: &[GgufWriter]| -> Vec<Vec<u8>> { shards.iter().map(GgufWriter::file).collect() };
    let parts = files(&[4, 5]);
    let changed = |ix: usize, change: &dyn Fn(GgufWriter) -> GgufWriter| {
        let mut parts = parts.clone();
        parts[ix] = change(parts[ix].clone());
        written(&parts)
    };
    let u16 = |n: u16| Kv::Raw(2, n.to_le_bytes().to_vec());
    let case = |name, files, outcome| Case { name, files, outcome };
    let wrong = |words| Refused("wrong_shard", words);
    let swapped = [parts[1].clone(), parts[0].clone(), parts[2].clone()];
    let again = [parts[0].clone(), parts[0].clone(), parts[2].clone()];
    let mut stranger = written(&parts);
    stranger[1] = b"<html>".to_vec();
    vec![
        case("shards in order", written(&parts), Loads("they are")),
        case("shards out of order", written(&swapped), wrong(&["shard 2 of 3", "shard 1 of 3"])),
        case("a shard twice", written(&again), wrong(&["shard 1 of 3", "shard 2 of 3"])),
        case("a shard alone", written(&parts[1..2]), wrong(&["shard 2 of 3"])),
        case("a shard missing", written(&parts[..2]), wrong(&["of 3"])),
        case("a page in place of a shard", stranger, Refused("not_gguf", &["GGUF"])),
        case(
            "a shard of 65535",
            changed(1, &|w| w.without("split.count").key("split.count", u16(u16::MAX))),
            wrong(&["of 65535"]),
        ),
        case(
            "shard 65535",
            changed(2, &|w| w.without("split.no").key("split.no", u16(u16::MAX))),
            wrong(&["shard 65536"]),
        ),
        case(
            "a shard of another model",
            changed(1, &|w| w.key("general.name", Kv::Str("n".to_owned()))),
            wrong(&["general.name"]),
        ),
        case("a whole model among shards", changed(1, &|_| base()), wrong(&["a whole model"])),
        case(
            "a tensor in two shards",
            changed(2, &|w| w.tensor("output_norm.weight", &[32], 0)),
            Refused("malformed", &["two shards"]),
        ),
        case(
            "a tensor of no shard",
            changed(2, &|mut w| {
                w.tensors.pop();
                w
            }),
            wrong(&["tensors"]),
        ),
    ]
}
