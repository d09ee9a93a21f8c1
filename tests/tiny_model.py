"""Writes tiny random GPT-2 checkpoints, complete with a vocabulary, from the standard library alone.

Nothing here uses starchart: files that its own code had written would prove less. Nothing is neutral: gammas, betas and
biases are random too, and the sizes are odd, so that a forgotten bias or a swapped axis shows.
"""

import json
import random
import struct
from array import array
from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any

DEFAULTS: dict[str, Any] = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-05,
    "n_embd": 12,
    "n_head": 3,
    "n_inner": None,
    "n_layer": 2,
    "n_positions": 16,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "tie_word_embeddings": True,
    "vocab_size": 261,
    "bos_token_id": 260,
    "eos_token_id": 260,
}
MERGES = ["Ġ t", "h e", "Ġt he", "o n"]
END_OF_TEXT = "<|endoftext|>"


def write_tiny_model(
    folder: str | Path,
    seed: int = 0,
    *,
    prefix: str = "transformer.",
    dtype: str = "F32",
    scale: float = 1.0,
    **config: Any,
) -> Path:
    """Write config.json, model.safetensors, vocab.json and merges.txt into `folder` (made if need be) and return it.

    `config` replaces entries of DEFAULTS. The vocabulary always has 261 tokens: 256 bytes, 4 merges, <|endoftext|>.
    An untied head (tie_word_embeddings=False) gets a tensor of its own. `dtype` is F32 or F64; both hold the same
    numbers, times `scale`. The same seed gives the same bytes on every machine.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    values = DEFAULTS | config
    tensors = tiny_tensors(values, seed, prefix)
    if scale != 1.0:
        tensors = {
            name: (shape, array("d", [scale * x for x in numbers])) for name, (shape, numbers) in tensors.items()
        }
    _write_json(folder / "config.json", values)
    (folder / "model.safetensors").write_bytes(safetensors_bytes(tensors, dtype))
    write_vocabulary(folder)
    return folder


def write_vocabulary(folder: Path) -> None:
    """Write the vocabulary of 261 tokens, ids in the order of GPT-2's: bytes, merges, <|endoftext|>."""
    tokens = [*byte_alphabet(), *(merge.replace(" ", "") for merge in MERGES), END_OF_TEXT]
    _write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    (folder / "merges.txt").write_bytes("\n".join(["#version: 0.2", *MERGES, ""]).encode())


def byte_alphabet() -> list[str]:
    """Return characters for the 256 bytes in GPT-2's order: the printable ones of Latin-1, the rest from U+0100."""
    printable = [chr(byte) for byte in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))]
    return printable + [chr(0x100 + index) for index in range(256 - len(printable))]


def tensor_shapes(config: Mapping[str, Any], prefix: str = "transformer.") -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor of a GPT-2 with this configuration, in the file's order."""
    c = config["n_embd"]
    f = config["n_inner"] or 4 * c
    block = {
        "ln_1.weight": (c,),
        "ln_1.bias": (c,),
        "attn.c_attn.weight": (c, 3 * c),
        "attn.c_attn.bias": (3 * c,),
        "attn.c_proj.weight": (c, c),
        "attn.c_proj.bias": (c,),
        "ln_2.weight": (c,),
        "ln_2.bias": (c,),
        "mlp.c_fc.weight": (c, f),
        "mlp.c_fc.bias": (f,),
        "mlp.c_proj.weight": (f, c),
        "mlp.c_proj.bias": (c,),
    }
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (config["vocab_size"], c)}
    shapes["wpe.weight"] = (config["n_positions"], c)
    for layer in range(config["n_layer"]):
        shapes |= {f"h.{layer}.{name}": shape for name, shape in block.items()}
    shapes |= {"ln_f.weight": (c,), "ln_f.bias": (c,)}
    head = {} if config["tie_word_embeddings"] else {"lm_head.weight": (config["vocab_size"], c)}
    return {prefix + name: shape for name, shape in shapes.items()} | head


def tiny_tensors(
    config: Mapping[str, Any], seed: int, prefix: str = "transformer."
) -> dict[str, tuple[tuple[int, ...], "array[float]"]]:
    """Return name -> (shape, float32 numbers): gammas about 1, the rest about 0, matrices that keep sizes."""
    rng = random.Random(seed)
    tensors = {}
    for name, shape in tensor_shapes(config, prefix).items():
        centre = 1.0 if "ln_" in name and name.endswith("weight") else 0.0
        is_table = name.endswith(("wte.weight", "wpe.weight", "lm_head.weight"))
        spread = 0.3 if len(shape) == 1 else 0.7 if is_table else 1 / sqrt(shape[0])
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        tensors[name] = (shape, array("f", [centre + spread * _bell(rng) for _ in range(count)]))
    return tensors


def safetensors_bytes(tensors: Mapping[str, tuple[tuple[int, ...], "array[float]"]], dtype: str = "F32") -> bytes:
    """Return a safetensors file: length of the header as u64, the header in JSON, the numbers, all little-endian."""
    letter = {"F32": "f", "F64": "d"}[dtype]
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    parts, end = [], 0
    for name, (shape, numbers) in tensors.items():
        parts.append(struct.pack(f"<{len(numbers)}{letter}", *numbers))
        start, end = end, end + len(parts[-1])
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def _bell(rng: random.Random) -> float:
    """Return a nearly normal number, mean 0 and variance 1: the same bits everywhere, unlike rng.gauss."""
    return sum(rng.getrandbits(24) for _ in range(12)) / (1 << 24) - 6.0


def _write_json(file: Path, value: Any) -> None:
    file.write_bytes(json.dumps(value, ensure_ascii=False, indent=2).encode())
