"""The .bin files of llm.c: all that a file says of its tensors is the eight numbers of its header; see `layout`.

The rows of wte from V on are padding and not read. The rest of the configuration is GPT-2's own.
"""

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from starchart.checkpoints.end_of_text import end_of_text
from starchart.checkpoints.llm_c.layout import HEADER, HEADER_BYTES, MAGIC, VERSIONS, number_count, tensors_in_file
from starchart.checkpoints.most_tensors import MOST_TENSORS
from starchart.checkpoints.names import is_layer_matrix
from starchart.checkpoints.numbers.number_types import bytes_of
from starchart.checkpoints.stored_tensor import StoredTensor, opened, stamp_of
from starchart.errors import CheckpointError, ConfigError
from starchart.model.config import GPT2Config

_DTYPES = {version: dtype for dtype, version in VERSIONS.items()}
_MOST_BLOCKS = MOST_TENSORS // 12


def is_llm_c(first: bytes) -> bool:
    """Return whether the first bytes of a file are those of a model of llm.c."""
    magic, version = first[:4], first[4:8]
    return magic == MAGIC.to_bytes(4, "little") and any(version)  # without a version: the length of some other header


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
