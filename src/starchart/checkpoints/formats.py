"""The formats of checkpoints: one table of how each is recognised, read and written.

A format is recognised by the content of a file, not by its name. There are two exceptions: an index of shards is JSON
like other files beside it, so its name must end in .index.json; and the data files of a TensorFlow checkpoint are found
by the name of its index, without .index.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from starchart.checkpoints.gguf.reader import open_gguf, read_gguf_config
from starchart.checkpoints.gguf.writer import FILE_TYPES, dtype_in_gguf, refuse_for_gguf, write_gguf
from starchart.checkpoints.llm_c.reader import VERSIONS, is_llm_c, open_llm_c, read_llm_c_config
from starchart.checkpoints.llm_c.writer import refuse_for_llm_c, write_llm_c
from starchart.checkpoints.npz.reader import is_npz, open_npz
from starchart.checkpoints.npz.writer import DESCRIPTIONS, write_npz
from starchart.checkpoints.numbers.number_types import WRITTEN_TYPES
from starchart.checkpoints.pytorch.reader import is_pytorch, open_pytorch
from starchart.checkpoints.safetensors.reader import is_safetensors, open_safetensors
from starchart.checkpoints.safetensors.writer import write_safetensors
from starchart.checkpoints.shards import open_shards
from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.checkpoints.tensorflow.reader import open_tensorflow, read_hparams
from starchart.checkpoints.tensorflow.table import is_table
from starchart.files.gguf_header import begins_as_gguf
from starchart.model.config import GPT2Config

Tensors: TypeAlias = dict[str, StoredTensor]


@dataclass(frozen=True)
class Writer:
    """How files of one format are written: `suffix` of a file, `file_name` in a model folder, the `dtypes` it can have.

    `write(file, config, tensors, dtype)` writes a model; with `holds_vocabulary` the one file holds the configuration
    and the vocabulary too, and the vocabulary is the last argument. `refuse` raises CheckpointError for a model that
    the format cannot represent. `dtype_of` is the type of a tensor, by its name, in a file of one of the dtypes.
    """

    suffix: str
    file_name: str
    dtypes: tuple[str, ...]
    write: Callable[..., None]
    refuse: Callable[[GPT2Config, Mapping[str, StoredTensor]], None] = lambda _config, _tensors: None
    dtype_of: Callable[[str, StoredTensor, str], str] = lambda _name, _tensor, dtype: dtype
    holds_vocabulary: bool = False


@dataclass(frozen=True)
class Format:
    """How files of one format are read, and written if Starchart writes this format.

    `open` returns the tensors by name, with Hugging Face's names and shapes, whatever those in the file are. `config`
    returns the configuration that is in the file itself, or beside it in the format's own way; without it, the
    configuration is in config.json. `begins` and `ends` recognise the format by the first and last bytes of a file.
    """

    name: str
    open: Callable[[Path], Tensors]
    config: Callable[[Path], GPT2Config] | None = None
    begins: Callable[[bytes], bool] | None = None
    ends: Callable[[bytes], bool] | None = None
    writer: Writer | None = None


SAFETENSORS = Format(
    "safetensors",
    open_safetensors,
    begins=is_safetensors,
    writer=Writer(".safetensors", "model.safetensors", tuple(WRITTEN_TYPES), write_safetensors),
)
PYTORCH = Format("PyTorch", open_pytorch, begins=is_pytorch)
TENSORFLOW = Format("TensorFlow", open_tensorflow, read_hparams, ends=is_table)
GGUF = Format(
    "GGUF",
    open_gguf,
    read_gguf_config,
    begins=begins_as_gguf,
    writer=Writer(
        ".gguf",
        "model.gguf",
        tuple(FILE_TYPES),
        write_gguf,
        refuse=lambda config, _: refuse_for_gguf(config),
        dtype_of=dtype_in_gguf,
        holds_vocabulary=True,
    ),
)
LLM_C = Format(
    "llm.c",
    open_llm_c,
    read_llm_c_config,
    begins=is_llm_c,
    writer=Writer(".bin", "model.bin", tuple(VERSIONS), write_llm_c, refuse_for_llm_c),
)
NPZ = Format("npz", open_npz, begins=is_npz, writer=Writer(".npz", "model.npz", tuple(DESCRIPTIONS), write_npz))
SHARDS = Format("shards", open_shards)

FORMATS = (GGUF, LLM_C, SAFETENSORS, NPZ, PYTORCH, TENSORFLOW)  # the first that recognises a file is its format
WRITERS = {kind.name.lower(): kind.writer for kind in (SAFETENSORS, GGUF, LLM_C, NPZ) if kind.writer}
