"""The formats that checkpoints come in. Which one a file has is told by its content, not by its name.

Two things are told by a name: an index of shards, which is JSON like many another file beside it, by .index.json; and
where the numbers of a TensorFlow checkpoint lie, whose data files are named as its index is, without .index.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from starchart.checkpoints.foreign_files import refuse_foreign
from starchart.checkpoints.gguf.reader import open_gguf, read_gguf_config
from starchart.checkpoints.llm_c.reader import is_llm_c, open_llm_c, read_llm_c_config
from starchart.checkpoints.npz.reader import is_npz, open_npz
from starchart.checkpoints.pytorch.reader import is_pytorch, open_pytorch
from starchart.checkpoints.safetensors.reader import is_safetensors, open_safetensors
from starchart.checkpoints.shards import open_shards
from starchart.checkpoints.stored_tensor import StoredTensor, opened, stamp_of
from starchart.checkpoints.tensorflow.hparams import read_hparams
from starchart.checkpoints.tensorflow.reader import open_tensorflow
from starchart.checkpoints.tensorflow.table import is_table
from starchart.errors import CheckpointError
from starchart.files.gguf_header import begins_as_gguf
from starchart.model.config import GPT2Config

Tensors: TypeAlias = dict[str, StoredTensor]

_SHORTEST = 8  # bytes; no format has so short a file
_ENDS = 1000  # bytes at the beginning and at the end of a file that tell its format


@dataclass(frozen=True)
class Format:
    """How files of one format are read.

    `open` gives the tensors by name; names and shapes are Hugging Face's, whatever the file's own are. `config` gives
    the configuration that the file itself holds, or that lies beside it in the format's own way; without it, it is in
    config.json.
    """

    name: str
    open: Callable[[Path], Tensors]
    config: Callable[[Path], GPT2Config] | None = None


SAFETENSORS = Format("safetensors", open_safetensors)
PYTORCH = Format("PyTorch", open_pytorch)
TENSORFLOW = Format("TensorFlow", open_tensorflow, read_hparams)
GGUF = Format("GGUF", open_gguf, read_gguf_config)
LLM_C = Format("llm.c", open_llm_c, read_llm_c_config)
NPZ = Format("npz", open_npz)
SHARDS = Format("shards", open_shards)

_TOLD_BY_THE_BEGINNING: tuple[tuple[Format, Callable[[bytes], bool]], ...] = (
    (GGUF, begins_as_gguf),
    (LLM_C, is_llm_c),
    (SAFETENSORS, is_safetensors),
    (NPZ, is_npz),
    (PYTORCH, is_pytorch),
)


def format_of(path: Path) -> Format | None:
    """Return the format of the file at `path`, or None if it is none of those that can be read.

    Raises CheckpointError if it cannot be read at all.
    """
    if path.name.endswith(".index.json"):
        return SHARDS
    first, last = _ends(path)
    found = next((known for known, recognises in _TOLD_BY_THE_BEGINNING if recognises(first)), None)
    return found or (TENSORFLOW if is_table(last) else None)


def known_format(path: Path) -> Format:
    """Return the format of the file at `path`. Raises CheckpointError if it is none that can be read."""
    found = format_of(path)
    if found:
        return found
    first, _ = _ends(path)
    refuse_foreign(first, str(path))
    if len(first) <= _SHORTEST:
        state = f"is cut off after {len(first)} bytes" if first else "is empty"
        raise CheckpointError(f"{path}: {state}; fetch it again")
    raise CheckpointError(f"{path}: is of no format that can be read; it begins with {first[:8]!r}")


def _ends(path: Path) -> tuple[bytes, bytes]:
    with opened(path) as file:
        first = file.read(_ENDS)
        file.seek(max(0, stamp_of(file)[0] - _ENDS))
        return first, file.read(_ENDS)
