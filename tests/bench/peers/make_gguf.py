"""Makes a Q8_0 or Q4_0 file of a GGUF model, as llama-quantize mixes them: norms stay F32, and with Q4_0 the token
embedding is Q8_0, since a row of 640 does not fit a K block.

    python requantise.py IN.gguf OUT.gguf q8_0|q4_0
"""

import sys

import gguf
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType, LlamaFileType

TYPES = {"q8_0": (Type.Q8_0, LlamaFileType.MOSTLY_Q8_0), "q4_0": (Type.Q4_0, LlamaFileType.MOSTLY_Q4_0)}


def main(source, target, name):
    matrix_type, file_type = TYPES[name]
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, arch=reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        # The writer counts for itself and writes the architecture first.
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        value = int(file_type) if field.name == "general.file_type" else field.contents()
        inner = field.types[1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, value, field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        if tensor.tensor_type == Type.F32:
            wanted = Type.F32
        else:
            wanted = Type.Q8_0 if tensor.name == "token_embd.weight" else matrix_type
        data = tensor.data
        if tensor.tensor_type != wanted:
            data = gguf.quantize(gguf.dequantize(data, tensor.tensor_type), wanted)
        writer.add_tensor(tensor.name, data, raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main(*sys.argv[1:])
