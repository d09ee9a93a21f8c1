"""Writes a checkpoint of llm.c (.bin): `reader` has the layout. wte ends in rows of zeros, up to a multiple of 128."""

from collections.abc import Mapping
from typing import BinaryIO

from starchart.checkpoints.llm_c.reader import HEADER, HEADER_BYTES, MAGIC, VERSIONS, tensors_in_file
from starchart.checkpoints.names import is_layer_matrix
from starchart.checkpoints.numbers.number_types import bytes_of
from starchart.checkpoints.refusals import refuse_other_values
from starchart.checkpoints.stored_tensor import StoredTensor, tensor_bytes
from starchart.errors import CheckpointError
from starchart.model.config import GPT2Config

_ROW_MULTIPLE = 128


def refuse_for_llm_c(config: GPT2Config, tensors: Mapping[str, StoredTensor]) -> None:
    """Raise CheckpointError for a model that llm.c would run as another model."""
    taken_for_granted = {
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "feed_forward_width": 4 * config.n_embd,
    }
    refuse_other_values(config, taken_for_granted, "llm.c")
    if "lm_head.weight" in tensors:
        raise CheckpointError(
            "the llm.c format has no place for a head that is not wte, and this model has one; write safetensors"
        )


def write_llm_c(file: BinaryIO, config: GPT2Config, tensors: Mapping[str, StoredTensor], dtype: str) -> None:
    """Write the tensors of a model, which have our names, to an open file. Raises CheckpointError, OSError."""
    refuse_for_llm_c(config, tensors)
    c, padding = config.n_embd, -config.vocab_size % _ROW_MULTIPLE
    sizes = (config.n_positions, config.vocab_size, config.n_layer, config.n_head, c, config.vocab_size + padding)
    file.write(HEADER.pack(MAGIC, VERSIONS[dtype], *sizes).ljust(HEADER_BYTES, b"\0"))
    for name, _ in tensors_in_file(config):
        for part in tensor_bytes(tensors[name], dtype, transposed=is_layer_matrix(name)):
            file.write(part)
        if name == "wte.weight":
            file.write(bytes(bytes_of(padding * c, dtype)))
