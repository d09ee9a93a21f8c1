"""Writes a checkpoint of llm.c (.bin): a header of 256 numbers of 32 bits, then the tensors with nothing between.

    0  magic, 20240326      2  n_positions      4  n_layer      6  n_embd
    1  version, see below   3  vocab_size       5  n_head       7  rows of wte, a multiple of 128      8-255  zero

Of the blocks, a tensor stands there for all of them, one after another, before the next tensor. Matrices are [out][in],
and wte has rows of zeros at its end. Version 3 is all F32, version 5 all BF16.
Source: karpathy/llm.c, train_gpt2.py (write_model, write_tensors) and train_gpt2.c (ParameterTensors).
"""

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from starchart.checkpoints.limits import refuse_other_values
from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.checkpoints.tensor_bytes import is_linear, tensor_bytes
from starchart.checkpoints.tensor_values import bytes_of
from starchart.errors import CheckpointError
from starchart.model.config import GPT2Config

VERSIONS = {"F32": 3, "BF16": 5}
_MAGIC = 20240326
_HEADER_NUMBERS = 256
_ROW_MULTIPLE = 128
_OF_A_BLOCK = (
    "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
    "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias",
)  # fmt: skip


def refuse_for_llm_c(config: GPT2Config, tensors: Mapping[str, StoredTensor]) -> None:
    """Raise CheckpointError for a model that llm.c would take for another one."""
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
    padding = -config.vocab_size % _ROW_MULTIPLE
    numbers = (
        _MAGIC, VERSIONS[dtype], config.n_positions, config.vocab_size, config.n_layer, config.n_head, config.n_embd,
        config.vocab_size + padding,
    )  # fmt: skip
    file.write(struct.pack(f"<{len(numbers)}i", *numbers).ljust(4 * _HEADER_NUMBERS, b"\0"))
    for name in _names(config.n_layer):
        for part in tensor_bytes(tensors[name], dtype, transposed=is_linear(name)):
            file.write(part)
        if name == "wte.weight":
            file.write(bytes(bytes_of(padding * config.n_embd, dtype)))


def _names(blocks: int) -> Iterator[str]:
    """Give the names of the tensors in the order of the file."""
    yield from ("wte.weight", "wpe.weight")
    yield from (f"h.{block}.{name}" for name in _OF_A_BLOCK for block in range(blocks))
    yield from ("ln_f.weight", "ln_f.bias")
