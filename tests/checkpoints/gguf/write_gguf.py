"""GGUF files that the gguf package writes from a model folder, as llama.cpp's converter does. Nothing here is ours."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file

Entry: TypeAlias = tuple[Any, gguf.GGUFValueType]

NOTHING: Mapping[str, Entry | None] = MappingProxyType({})
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")  # Conv1D, [in][out]
KINDS = {"F32": Type.F32, "F16": Type.F16, "BF16": Type.BF16, "Q8_0": Type.Q8_0, "Q4_0": Type.Q4_0}


def write_gguf(
    path: Path,
    folder: Path,
    kind: str = "F32",
    *,
    alignment: int | None = None,
    copy_head: bool = False,
    metadata: Mapping[str, Entry | None] = NOTHING,
) -> Path:
    """Write the model of a folder, and its vocabulary if there is one, to a file, and return its path.

    Matrices are of `kind`, vectors F32. `metadata` adds entries or replaces them; None leaves one out. With
    `copy_head` the table of tokens is there a second time, as the output's.
    """
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(path, "gpt2")
    if alignment:
        writer.add_custom_alignment(alignment)
    for key, entry in (_metadata(config) | dict(metadata)).items():
        if entry is not None:
            writer.add_key_value(key, *entry)
    if (folder / "vocab.json").exists():
        add_vocabulary(writer, folder)
    for name, numbers in tensors(folder, copy_head).items():
        raw = gguf.quants.quantize(numbers, KINDS[kind] if numbers.ndim == 2 else Type.F32)
        writer.add_tensor(name, raw, raw_dtype=KINDS[kind] if numbers.ndim == 2 else Type.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensors(folder: Path, copy_head: bool = False) -> dict[str, np.ndarray]:
    """Return the tensors of a folder as GGUF has them, in float32, under the names of the gguf package."""
    config = json.loads((folder / "config.json").read_text())
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPT2, config["n_layer"])
    state = load_file(folder / "model.safetensors")
    if copy_head:
        state["lm_head.weight"] = state["transformer.wte.weight"]
    found = {}
    for name, tensor in state.items():
        numbers = tensor.float().numpy()
        found[names.get_name(name, (".weight", ".bias"))] = np.ascontiguousarray(
            numbers.T if name.endswith(TRANSPOSED) else numbers
        )
    return found


def _metadata(config: dict[str, Any]) -> dict[str, Entry | None]:
    number, real = gguf.GGUFValueType.UINT32, gguf.GGUFValueType.FLOAT32
    return {
        "gpt2.context_length": (config["n_positions"], number),
        "gpt2.embedding_length": (config["n_embd"], number),
        "gpt2.block_count": (config["n_layer"], number),
        "gpt2.feed_forward_length": (config["n_inner"] or 4 * config["n_embd"], number),
        "gpt2.attention.head_count": (config["n_head"], number),
        "gpt2.attention.layer_norm_epsilon": (config["layer_norm_epsilon"], real),
        "general.file_type": (0, number),
        "general.name": ("tiny \u2606", gguf.GGUFValueType.STRING),
    }


def add_vocabulary(writer: gguf.GGUFWriter, folder: Path) -> None:
    """Add the vocabulary of a folder, with <|endoftext|> as its only control token."""
    ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    tokens = sorted(ids, key=ids.__getitem__)
    merges = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
    control = [gguf.TokenType.CONTROL if token == "<|endoftext|>" else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(control)
    writer.add_token_merges([merge for merge in merges if merge and not merge.startswith("#version")])
    writer.add_bos_token_id(ids["<|endoftext|>"])
    writer.add_eos_token_id(ids["<|endoftext|>"])
