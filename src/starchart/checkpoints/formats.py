"""The formats that checkpoints come in. Which one a file has is told by its content, not by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from starchart.checkpoints.foreign_files import refuse_foreign
from starchart.checkpoints.gguf.reader import gguf_config, open_gguf
from starchart.checkpoints.pytorch.reader import FIRST_BYTES, is_pytorch, open_pytorch
from starchart.checkpoints.safetensors.reader import is_safetensors, open_safetensors
from starchart.checkpoints.shards import open_shards
from starchart.checkpoints.stored_tensor import StoredTensor, opened
from starchart.errors import CheckpointError
from starchart.gguf_header import MAGIC
from starchart.model.config import GPT2Config

Tensors: TypeAlias = dict[str, StoredTensor]


@dataclass(frozen=True)
class Format:
    """How files of one format are read.

    `open` gives the tensors by name; names and shapes are Hugging Face's, whatever the file's own are. `config` gives
    the configuration that the file itself holds, or lies beside it in the format's own way; without it, it is in
    config.json.
    """

    name: str
    open: Callable[[Path], Tensors]
    config: Callable[[Path], GPT2Config] | None = None


SAFETENSORS = Format("safetensors", open_safetensors)
PYTORCH = Format("PyTorch", open_pytorch)
SHARDS = Format("shards", open_shards)
GGUF = Format("gguf", open_gguf, gguf_config)


def format_of(path: Path) -> Format | None:
    """Return the format of the file at `path`, or None if it is none of those that can be read.

    Raises CheckpointError if it cannot be read at all.
    """
    if path.name.endswith(".index.json"):
        return SHARDS
    first = _first_bytes(path)
    if first.startswith(MAGIC):
        return GGUF
    if is_safetensors(first):
        return SAFETENSORS
    if is_pytorch(first):
        return PYTORCH
    return None


def known_format(path: Path) -> Format:
    """Return the format of the file at `path`. Raises CheckpointError if it is none that can be read."""
    found = format_of(path)
    if found:
        return found
    first = _first_bytes(path)
    refuse_foreign(first, str(path))
    raise CheckpointError(f"{path}: is of no format that can be read; it begins with {first[:8]!r}")


def _first_bytes(path: Path) -> bytes:
    with opened(path) as file:
        return file.read(FIRST_BYTES)
