"""The .bin files of llm.c: a header of 256 int32, then the tensors, with nothing between them.

    0  magic, 20240326      2  P      4  L      6  C
    1  version              3  V      5  H      7  rows of wte: V and padding      8-255  zero

    wte [rows][C], wpe [P][C]
    each for all blocks: ln_1 weight, bias; c_attn weight [3C][C], bias; attn.c_proj weight [C][C], bias;
                         ln_2 weight, bias; c_fc weight [4C][C], bias; mlp.c_proj weight [C][4C], bias
    ln_f weight, bias

Everything is little-endian. The matrix of a layer is [out][in]. Version 3 is all F32, version 5 all BF16. The rows of
wte from V on are padding and are not read. The rest of the configuration is GPT-2's own. Source: karpathy/llm.c,
train_gpt2.py (write_model, write_tensors) and train_gpt2.c (ParameterTensors).
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from starchart.checkpoints.end_of_text import end_of_text
from starchart.checkpoints.names import is_layer_matrix
from starchart.checkpoints.numbers.number_types import bytes_of
from starchart.checkpoints.refusals import MOST_TENSORS
from starchart.checkpoints.stored_tensor import StoredTensor, opened, stamp_of
from starchart.errors import CheckpointError, ConfigError
from starchart.model.config import GPT2Config

HEADER = struct.Struct("<8i")
HEADER_BYTES = 1024
MAGIC = 20240326
VERSIONS = {"F32": 3, "BF16": 5}
_DTYPES = {version: dtype for dtype, version in VERSIONS.items()}
_MOST_BLOCKS = MOST_TENSORS // 12


def is_llm_c(first: bytes) -> bool:
    """Return whether the first bytes of a file are those of a model of llm.c."""
    magic, version = first[:4], first[4:8]
    return magic == MAGIC.to_bytes(4, "little") and any(version)  # a version of 0: the length of a safetensors header


def open_llm_c(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of the file at `path` by Hugging Face's names. Raises CheckpointError."""
    with opened(path) as file:
        stamp = stamp_of(file)
        dtype, config, rows = _read_header(file, path)
    expected = HEADER_BYTES + bytes_of(number_count(config, rows), dtype)
    if stamp[0] != expected:
        raise CheckpointError(
            f"{path}: is {stamp[0]} bytes long, but the sizes in its header make {expected}; fetch it again"
        )
    tensors: dict[str, StoredTensor] = {}
    start = HEADER_BYTES
    for name, shape in tensors_in_file(config):
        tensor = StoredTensor(name, dtype, shape, path, start, stamp, transposed=is_layer_matrix(name))
        tensors[name] = tensor
        start += bytes_of(rows * config.n_embd if name == "wte.weight" else tensor.count, dtype)
    return tensors


def read_llm_c_config(path: Path) -> GPT2Config:
    """Return the configuration in the header of the file at `path`. Raises CheckpointError."""
    with opened(path) as file:
        config = _read_header(file, path)[1]
    return replace(config, eos_token_ids=end_of_text(path.parent, config.vocab_size))


def _read_header(file: BinaryIO, path: Path) -> tuple[str, GPT2Config, int]:
    """Return the dtype, the configuration, and the rows of wte with padding."""
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        raise CheckpointError(f"{path}: ends inside its header, after {len(header)} bytes; fetch it again")
    _, version, positions, vocabulary, layers, heads, channels, rows = HEADER.unpack_from(header)
    if version not in _DTYPES:
        raise CheckpointError(f"{path}: is of llm.c's version {version}; 3 and 5 are read: write it again with llm.c")
    try:
        config = GPT2Config(vocab_size=vocabulary, n_positions=positions, n_embd=channels, n_layer=layers, n_head=heads)
    except ConfigError as error:
        raise ConfigError(f"{path}: header: {error}") from None
    if layers > _MOST_BLOCKS:
        raise CheckpointError(f"{path}: says it has {layers} blocks; the limit is {_MOST_BLOCKS}")
    if rows < vocabulary:
        raise CheckpointError(f"{path}: says it has {vocabulary} tokens, and {rows} with padding, which are fewer")
    return _DTYPES[version], config, rows


def tensors_in_file(config: GPT2Config) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name and the shape of every tensor, as the model uses it, in the order of the file."""
    c = config.n_embd
    yield "wte.weight", (config.vocab_size, c)
    yield "wpe.weight", (config.n_positions, c)
    attention = {"ln_1": (c,), "attn.c_attn": (c, 3 * c), "attn.c_proj": (c, c)}
    feed_forward = {"ln_2": (c,), "mlp.c_fc": (c, 4 * c), "mlp.c_proj": (4 * c, c)}
    for layer, shape in (attention | feed_forward).items():
        for kind, own in (("weight", shape), ("bias", shape[-1:])):
            yield from ((f"h.{block}.{layer}.{kind}", own) for block in range(config.n_layer))
    yield from ((f"ln_f.{kind}", (c,)) for kind in ("weight", "bias"))


def number_count(config: GPT2Config, rows: int) -> int:
    """Return how many numbers the file holds if its wte has `rows` rows; without a loop over n_layer."""
    c = config.n_embd
    return (rows + config.n_positions) * c + config.n_layer * (12 * c * c + 13 * c) + 2 * c
