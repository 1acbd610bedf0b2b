"""Makes the int4 ONNX model that transformers.js runs, from the Q4_0 file that gemma-web runs.

No package registry carries Gemma 3 270M as ONNX, so its graph is built here from the operators of the published int4
exports: MatMulNBits in blocks of 32, GatherBlockQuantized, GroupQueryAttention with the rotation in it,
SkipSimplifiedLayerNormalization. A Q4_0 block is a MatMulNBits block, (nibble - 8) * scale: the matrices are the very
same numbers. Only the token embedding differs: Q8_0 there, int4 here, as published.

    python make_onnx.py IN-q4_0.gguf OUTFOLDER
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import onnx
from gguf import GGMLQuantizationType as Type
from onnx import TensorProto, helper, numpy_helper

BLOCK = 32
GLOBAL_EVERY = 6  # layers 5, 11, 17 see everything; the others a window
LOCAL_BASE = 10000.0
CONTEXT = 4096  # positions with a rotation: as many as gemma-web's default context

MICROSOFT = "com.microsoft"


class Graph:
    """Nodes and constants in the making; every method returns the name of what it made."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, array):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator, inputs, name, domain="", outputs=None, **attributes):
        outputs = outputs or [name]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=name, domain=domain, **attributes))
        return outputs[0]

    def rms_norm(self, x, weight, name, epsilon):
        return self.node("SimplifiedLayerNormalization", [x, weight], name, axis=-1, epsilon=epsilon, stash_type=1)

    def add_and_norm(self, x, y, weight, name, epsilon):
        outputs = [name, "", "", f"{name}.sum"]
        self.node("SkipSimplifiedLayerNormalization", [x, y, weight], name, MICROSOFT, outputs, epsilon=epsilon)
        return name, f"{name}.sum"

    def linear(self, x, tensor, name):
        rows, columns = (int(n) for n in reversed(tensor.shape))
        nibbles, scales = blocks_of(tensor)
        inputs = [
            x,
            self.constant(f"{name}.weight", nibbles.reshape(rows, columns // BLOCK, BLOCK // 2)),
            self.constant(f"{name}.scales", scales.reshape(-1)),
        ]
        shape = {"K": columns, "N": rows, "bits": 4, "block_size": BLOCK, "accuracy_level": 4}
        return self.node("MatMulNBits", inputs, name, MICROSOFT, **shape)


def blocks_of(tensor):
    """A tensor as nibbles in MatMulNBits's order, two neighbours a byte, and f32 scales."""
    data = tensor.data
    if tensor.tensor_type != Type.Q4_0:
        data = gguf.quantize(gguf.dequantize(data, tensor.tensor_type), Type.Q4_0)
    blocks = data.reshape(-1, 2 + BLOCK // 2)
    scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    # Q4_0 pairs an element with the one half a block on.
    quants = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
    return quants[:, 0::2] | quants[:, 1::2] << 4, scales


def rotation(base, length):
    angles = np.outer(np.arange(CONTEXT), base ** (-np.arange(0, length, 2) / length))
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def build(reader):
    def value(key):
        return reader.fields[f"gemma3.{key}"].contents()

    tensors = {tensor.name.removesuffix(".weight"): tensor for tensor in reader.tensors}
    width, layers = value("embedding_length"), value("block_count")
    heads, kv_heads = value("attention.head_count"), value("attention.head_count_kv")
    head_len, window = value("attention.key_length"), value("attention.sliding_window")
    epsilon, base = value("attention.layer_norm_rms_epsilon"), value("rope.freq_base")
    vocabulary = int(tensors["token_embd"].shape[1])

    graph = Graph()

    def norm(name):
        return graph.constant(f"{name}.weight", tensors[name].data)

    caches = {}
    for kind, theta in (("local", LOCAL_BASE), ("global", base)):
        cosine, sine = rotation(theta, head_len)
        caches[kind] = [graph.constant(f"{kind}.cos", cosine), graph.constant(f"{kind}.sin", sine)]

    one = graph.constant("one", np.array([1], np.int64))
    by_head = graph.constant("by_head", np.array([0, 0, -1, head_len], np.int64))
    joined = graph.constant("joined", np.array([0, 0, -1], np.int64))

    # What is there: the last position of each row, and the length of all.
    counted = graph.node("ReduceSum", ["attention_mask", one], "mask.count", keepdims=1)
    last = graph.node("Sub", [counted, one], "mask.last")
    last = graph.node("Cast", [last], "mask.last32", to=TensorProto.INT32)
    shape = graph.node("Shape", ["attention_mask"], "mask.shape")
    length = graph.node("Gather", [shape, graph.constant("axis", np.array(1, np.int64))], "mask.length")
    length = graph.node("Cast", [length], "mask.length32", to=TensorProto.INT32)

    nibbles, scales = blocks_of(tensors["token_embd"])
    embedding = [
        graph.constant("embed.weight", nibbles.reshape(vocabulary, width // 2)),
        "input_ids",
        graph.constant("embed.scales", scales.reshape(vocabulary, width // BLOCK)),
    ]
    row = {"bits": 4, "block_size": BLOCK, "gather_axis": 0, "quantize_axis": 1}
    embedded = graph.node("GatherBlockQuantized", embedding, "embed", MICROSOFT, **row)
    scale = graph.constant("embed.scale", np.array(np.sqrt(width), np.float32))
    residual = graph.node("Mul", [embedded, scale], "embed.scaled")
    x = graph.rms_norm(residual, norm("blk.0.attn_norm"), "blk.0.in", epsilon)

    def normed_heads(x, name, weight):
        split = graph.node("Reshape", [x, by_head], f"{name}.split")
        split = graph.rms_norm(split, norm(weight), f"{name}.norm", epsilon)
        return graph.node("Reshape", [split, joined], f"{name}.joined")

    for layer in range(layers):
        at = f"blk.{layer}"
        is_global = (layer + 1) % GLOBAL_EVERY == 0
        query = normed_heads(graph.linear(x, tensors[f"{at}.attn_q"], f"{at}.q"), f"{at}.q", f"{at}.attn_q_norm")
        key = normed_heads(graph.linear(x, tensors[f"{at}.attn_k"], f"{at}.k"), f"{at}.k", f"{at}.attn_k_norm")
        values = graph.linear(x, tensors[f"{at}.attn_v"], f"{at}.v")
        past = [f"past_key_values.{layer}.key", f"past_key_values.{layer}.value"]
        attended = graph.node(
            "GroupQueryAttention",
            [query, key, values, *past, last, length, *caches["global" if is_global else "local"]],
            f"{at}.attention",
            MICROSOFT,
            [f"{at}.attention", f"present.{layer}.key", f"present.{layer}.value"],
            num_heads=heads,
            kv_num_heads=kv_heads,
            do_rotary=1,
            scale=head_len**-0.5,
            local_window_size=-1 if is_global else window,
        )
        y = graph.linear(attended, tensors[f"{at}.attn_output"], f"{at}.o")
        y = graph.rms_norm(y, norm(f"{at}.post_attention_norm"), f"{at}.o.norm", epsilon)
        x, residual = graph.add_and_norm(residual, y, norm(f"{at}.ffn_norm"), f"{at}.mid", epsilon)
        gate = graph.linear(x, tensors[f"{at}.ffn_gate"], f"{at}.gate")
        gate = graph.node("FastGelu", [gate], f"{at}.gelu", MICROSOFT)
        up = graph.linear(x, tensors[f"{at}.ffn_up"], f"{at}.up")
        y = graph.node("Mul", [gate, up], f"{at}.gated")
        y = graph.linear(y, tensors[f"{at}.ffn_down"], f"{at}.down")
        y = graph.rms_norm(y, norm(f"{at}.post_ffw_norm"), f"{at}.down.norm", epsilon)
        following = "output_norm" if layer + 1 == layers else f"blk.{layer + 1}.attn_norm"
        x, residual = graph.add_and_norm(residual, y, norm(following), f"{at}.out", epsilon)

    first = graph.node("Neg", ["num_logits_to_keep"], "keep.first")
    first = graph.node("Reshape", [first, one], "keep.starts")
    end = graph.constant("keep.end", np.array([np.iinfo(np.int64).max], np.int64))
    x = graph.node("Slice", [x, first, end, one], "keep")
    graph.linear(x, tensors["token_embd"], "logits")

    def info(name, kind, dims):
        return helper.make_tensor_value_info(name, kind, dims)

    integers, floats = TensorProto.INT64, TensorProto.FLOAT
    inputs = [
        info("input_ids", integers, ["batch_size", "sequence_length"]),
        info("attention_mask", integers, ["batch_size", "total_sequence_length"]),
        info("num_logits_to_keep", integers, []),
    ]
    outputs = [info("logits", floats, ["batch_size", "kept_length", vocabulary])]
    for layer in range(layers):
        for part in ("key", "value"):
            dims = [["batch_size", kv_heads, f"{when}_sequence_length", head_len] for when in ("past", "total")]
            inputs.append(info(f"past_key_values.{layer}.{part}", floats, dims[0]))
            outputs.append(info(f"present.{layer}.{part}", floats, dims[1]))
    made = helper.make_graph(graph.nodes, "gemma-3-270m", inputs, outputs, graph.constants)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(MICROSOFT, 1)]
    config = {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_len,
        "vocab_size": vocabulary,
        "transformers.js_config": {"use_external_data_format": {"model_q4.onnx": 1}},
    }
    return helper.make_model(made, opset_imports=opsets, ir_version=10), config


def main(source, target):
    model, config = build(gguf.GGUFReader(source))
    folder = Path(target)
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    data = folder / "onnx/model_q4.onnx_data"
    data.unlink(missing_ok=True)
    onnx.save(model, folder / "onnx/model_q4.onnx", save_as_external_data=True, location=data.name)


main(*sys.argv[1:])
