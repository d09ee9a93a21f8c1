"""GGUF files: finds the tensors and the configuration. Only what is before the numbers is read."""

from pathlib import Path
from typing import Any

from starchart.checkpoints.gguf.config import config_from_metadata, refuse_other_architecture
from starchart.checkpoints.gguf.names import hugging_face_name
from starchart.checkpoints.gguf.tensor_entries import TensorEntry, read_tensor_entries
from starchart.checkpoints.names import is_layer_matrix
from starchart.checkpoints.refusals import refuse_too_many
from starchart.checkpoints.stored_tensor import Stamp, StoredTensor, opened, stamp_of
from starchart.errors import CheckpointError, ConfigError
from starchart.files.gguf_header import GGUFFields, read_gguf_header
from starchart.files.json_file import shown
from starchart.model.config import GPT2Config


def open_gguf(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of the file at `path` by Hugging Face's names. Raises CheckpointError."""
    _, entries, stamp = _read(path)
    return {hugging_face_name(name): _stored(entry, path, stamp) for name, entry in entries.items()}


def read_gguf_config(path: Path) -> GPT2Config:
    """Return the configuration in the metadata of the file at `path`. Raises ConfigError, or CheckpointError."""
    metadata, entries, _ = _read(path)
    table = entries.get("token_embd.weight")
    if not table or len(table.dims) != 2:
        fault = f"has the dims {shown(list(table.dims))}" if table else "is not there"
        raise CheckpointError(f"{path}: its table of tokens, token_embd.weight, {fault}; convert the model again")
    try:
        return config_from_metadata(metadata, vocab_size=table.dims[1])
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read(path: Path) -> tuple[dict[str, Any], dict[str, TensorEntry], Stamp]:
    """Return the metadata, the entries of the tensors, and the stamp of a file."""
    with opened(path) as file:
        stamp = stamp_of(file)
        fields = GGUFFields(file, stamp[0], str(path), CheckpointError)
        header = read_gguf_header(fields)
        refuse_other_architecture(header.metadata, str(path))
        refuse_too_many(header.tensor_count, str(path))
        return header.metadata, read_tensor_entries(fields, header.tensor_count, header.metadata), stamp


def _stored(entry: TensorEntry, path: Path, stamp: Stamp) -> StoredTensor:
    """Return a tensor in the shape that the model uses: the matrix of a linear layer is transposed in the file."""
    transposed = is_layer_matrix(hugging_face_name(entry.name)) and len(entry.dims) == 2
    shape = entry.dims if transposed else entry.dims[::-1]
    return StoredTensor(entry.name, entry.dtype, shape, path, entry.start, stamp, transposed)
