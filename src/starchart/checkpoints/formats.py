"""The formats that checkpoints come in. Which one a file has is told by its content, not by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from starchart.checkpoints.foreign_files import refuse_foreign
from starchart.checkpoints.llm_c.reader import is_llm_c, open_llm_c, read_llm_c_config
from starchart.checkpoints.npz.reader import is_npz, open_npz
from starchart.checkpoints.safetensors.reader import open_safetensors
from starchart.checkpoints.safetensors.shards import open_shards
from starchart.checkpoints.stored_tensor import StoredTensor, opened, stamp_of
from starchart.checkpoints.tensorflow.hparams import read_hparams
from starchart.checkpoints.tensorflow.reader import open_tensorflow
from starchart.checkpoints.tensorflow.table import FOOTER_BYTES, is_table
from starchart.errors import CheckpointError
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
SHARDS = Format("shards", open_shards)
TENSORFLOW = Format("tensorflow", open_tensorflow, read_hparams)
LLM_C = Format("llm.c", open_llm_c, read_llm_c_config)
NPZ = Format("npz", open_npz)


def format_of(path: Path) -> Format | None:
    """Return the format of the file at `path`, or None if it is none of those that can be read.

    Raises CheckpointError if it cannot be read at all.
    """
    if path.name.endswith(".index.json"):
        return SHARDS
    first = _first_bytes(path)
    if is_llm_c(first):
        return LLM_C
    if first[8:9] == b"{":  # after the length of the header
        return SAFETENSORS
    if is_npz(first):
        return NPZ
    if is_table(_last_bytes(path)):
        return TENSORFLOW
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
        return file.read(1000)


def _last_bytes(path: Path) -> bytes:
    with opened(path) as file:
        file.seek(max(0, stamp_of(file)[0] - FOOTER_BYTES))
        return file.read(FOOTER_BYTES)
