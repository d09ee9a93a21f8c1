"""The .bin files of llm.c: parameters of known shapes in a known order, so that the header is eight numbers.

    256 int32    20240326, version (3: F32, 5: BF16), P, V, L, H, C, V with padding; zeros
    the rest     wte [V with padding][C], wpe [P][C]
                 each for all blocks: ln_1 weight, bias; c_attn weight [3C][C], bias; attn.c_proj weight [C][C], bias;
                 ln_2 weight, bias; c_fc weight [4C][C], bias; mlp.c_proj weight [C][4C], bias
                 ln_f weight, bias

Everything is little-endian. The matrix of a layer is [out][in]. The rows of wte from V on are padding and not read. The
rest of the configuration is GPT-2's own. Source: karpathy/llm.c, train_gpt2.py, `write_model` and `write_tensors`.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from starchart.checkpoints.end_of_text import end_of_text
from starchart.checkpoints.stored_tensor import StoredTensor, opened, stamp_of
from starchart.checkpoints.tensor_values import bytes_of
from starchart.errors import CheckpointError, ConfigError
from starchart.model.config import GPT2Config

_HEADER = struct.Struct("<8i")
_HEADER_BYTES = 1024
_MAGIC = 20240326
_DTYPES = {3: "F32", 5: "BF16"}  # by version
_MOST_BLOCKS = 10_000


def is_llm_c(first: bytes) -> bool:
    """Return whether the first bytes of a file are those of a model of llm.c."""
    magic, version = first[:4], first[4:8]
    return magic == _MAGIC.to_bytes(4, "little") and any(version)  # without a version: the length of some other header


def open_llm_c(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of the file at `path` by Hugging Face's names. Raises CheckpointError."""
    with opened(path) as file:
        stamp = stamp_of(file)
        dtype, config, padded = _read_header(file, path)
    expected = _HEADER_BYTES + bytes_of(_count(config, padded), dtype)
    if stamp[0] != expected:
        raise CheckpointError(
            f"{path}: is {stamp[0]} bytes long, but the sizes in its header make {expected}; fetch it again"
        )
    tensors: dict[str, StoredTensor] = {}
    start = _HEADER_BYTES
    for name, shape, numbers in _layout(config, padded):
        transposed = len(shape) == 2 and name.startswith("h.")
        tensors[name] = StoredTensor(name, dtype, shape, path, start, stamp, transposed)
        start += bytes_of(numbers, dtype)
    return tensors


def read_llm_c_config(path: Path) -> GPT2Config:
    """Return the configuration in the header of the file at `path`. Raises CheckpointError."""
    with opened(path) as file:
        config = _read_header(file, path)[1]
    return replace(config, eos_token_ids=end_of_text(path.parent, config.vocab_size))


def _read_header(file: BinaryIO, path: Path) -> tuple[str, GPT2Config, int]:
    """Return the dtype, the configuration, and the rows of wte with padding."""
    header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        raise CheckpointError(f"{path}: ends inside its header, after {len(header)} bytes; fetch it again")
    _, version, positions, vocabulary, layers, heads, channels, padded = _HEADER.unpack_from(header)
    if version not in _DTYPES:
        raise CheckpointError(f"{path}: is of llm.c's version {version}; 3 and 5 are read: write it again with llm.c")
    try:
        config = GPT2Config(vocab_size=vocabulary, n_positions=positions, n_embd=channels, n_layer=layers, n_head=heads)
    except ConfigError as error:
        raise ConfigError(f"{path}: header: {error}") from None
    if layers > _MOST_BLOCKS:
        raise CheckpointError(f"{path}: says it has {layers} blocks; the limit is {_MOST_BLOCKS}")
    if padded < vocabulary:
        raise CheckpointError(f"{path}: says it has {vocabulary} tokens, and {padded} with padding, which are fewer")
    return _DTYPES[version], config, padded


def _count(config: GPT2Config, padded: int) -> int:
    """Return how many numbers the file holds."""
    c = config.n_embd
    return (padded + config.n_positions) * c + config.n_layer * (12 * c * c + 13 * c) + 2 * c


def _layout(config: GPT2Config, padded: int) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Give name and shape of every tensor as the model sees it, and how many numbers the file has for it."""
    c = config.n_embd
    yield "wte.weight", (config.vocab_size, c), padded * c
    yield "wpe.weight", (config.n_positions, c), config.n_positions * c
    attention = {"ln_1": (c,), "attn.c_attn": (c, 3 * c), "attn.c_proj": (c, c)}
    feed_forward = {"ln_2": (c,), "mlp.c_fc": (c, 4 * c), "mlp.c_proj": (4 * c, c)}
    for layer, shape in (attention | feed_forward).items():
        for kind, own in (("weight", shape), ("bias", shape[-1:])):
            numbers = own[0] * own[1] if len(own) == 2 else own[0]
            yield from ((f"h.{block}.{layer}.{kind}", own, numbers) for block in range(config.n_layer))
    yield from ((f"ln_f.{kind}", (c,), c) for kind in ("weight", "bias"))
