"""Makes the fixtures of this folder that gguf-py alone can make. Needs numpy and gguf.
usage: make.py OUTDIR [gemma-3-270m-q4_k_m.gguf]
F32, F16, BF16: 512 values each, half gaussians, half random bits (finite; subnormals and negative zero among them).
real-blocks.json: FNV-1a hashes of gguf-py's values for a few blocks of the real file; no weights are stored."""
import json, sys
import numpy as np, gguf
from gguf.quants import dequantize

out = sys.argv[1]
rng = np.random.default_rng(2)


def finite(bits, exponent):
    return np.where((bits & exponent) == exponent, bits ^ (exponent & -exponent), bits)


def write(name, data, kind):
    data.tofile(f"{out}/{name}.bin")
    dequantize(data.view(np.uint8).reshape(1, -1) if name == "BF16" else data.reshape(1, -1), kind).astype("<f4").tofile(f"{out}/{name}.f32")


gauss = rng.standard_normal(256).astype("<f4")
bits32 = finite(rng.integers(0, 1 << 32, 256, dtype=np.uint32), 0x7F800000).astype("<u4")
bits32[:4] = [0x80000000, 1, 0x807FFFFF, 0x7F7FFFFF]
write("F32", np.concatenate([gauss.view("<u4"), bits32]).view("<f4"), gguf.GGMLQuantizationType.F32)
bits16 = finite(rng.integers(0, 1 << 16, 256, dtype=np.uint32), 0x7C00).astype("<u2")
bits16[:4] = [0x8000, 1, 0x83FF, 0x7BFF]
write("F16", np.concatenate([gauss.astype("<f2").view("<u2"), bits16]).view("<f2"), gguf.GGMLQuantizationType.F16)
bits16 = finite(rng.integers(0, 1 << 16, 256, dtype=np.uint32), 0x7F80).astype("<u2")
bits16[:4] = [0x8000, 1, 0x807F, 0x7F7F]
write("BF16", np.concatenate([(gauss.view("<u4") >> 16).astype("<u2"), bits16]), gguf.GGMLQuantizationType.BF16)


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data.tobytes():
        value = (value ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return f"{value:016x}"


if len(sys.argv) > 2:
    samples, seen = [], {}
    for tensor in gguf.GGUFReader(sys.argv[2]).tensors:
        kind = tensor.tensor_type
        seen[kind.name] = seen.get(kind.name, 0) + 1
        if seen[kind.name] > 2:
            continue
        block_len, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        blocks = tensor.data.reshape(-1).view(np.uint8).reshape(-1, block_bytes)
        n_blocks = min(8, len(blocks)) if block_len > 1 else 64
        for first in (0, len(blocks) // 2, len(blocks) - n_blocks):
            part = np.ascontiguousarray(blocks[first : first + n_blocks])
            values = part.view("<f4") if kind.name == "F32" else dequantize(part.reshape(1, -1), kind)
            samples.append({"tensor": tensor.name, "format": kind.name, "first_block": first, "n_blocks": n_blocks, "fnv1a": fnv1a(values.astype("<f4"))})
    with open(f"{out}/real-blocks.json", "w") as file:
        file.write("[\n" + ",\n".join(map(json.dumps, samples)) + "\n]\n")
