"""Writes a GGUF file (version 3) that llama.cpp runs: configuration, vocabulary and weights of a GPT-2 in one file.

    the header        with the configuration and the vocabulary as metadata: see `starchart.files.gguf_header`
    the entries       one for each tensor: see `tensor_entries`
    the numbers       each tensor begins at a multiple of 32 bytes; offsets count from here

Matrices of linear layers are [out][in]. Vectors and the table of positions are F32 in every file, as in those of
llama.cpp's own converter.
Sources: ggml, docs/gguf.md; llama.cpp, conversion/gpt2.py, conversion/base.py and src/llama-vocab.cpp.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from starchart.checkpoints.gguf.config import metadata_of_config
from starchart.checkpoints.gguf.names import gguf_name
from starchart.checkpoints.gguf.tensor_entries import ALIGNMENT, TENSOR_TYPES, aligned
from starchart.checkpoints.names import is_layer_matrix
from starchart.checkpoints.numbers.number_types import bytes_of
from starchart.checkpoints.refusals import refuse_other_values
from starchart.checkpoints.stored_tensor import StoredTensor, tensor_bytes
from starchart.checkpoints.weights import in_model_order
from starchart.errors import CheckpointError
from starchart.files.gguf_header import (
    ALIGNMENT_KEY,
    BOOL,
    I32,
    MAGIC,
    STRING,
    U32,
    TokenType,
    written_array,
    written_entry,
    written_string,
)
from starchart.files.json_file import shown
from starchart.model.config import GPT2Config

FILE_TYPES = {"F32": 0, "F16": 1, "BF16": 32}  # by the type of its matrices
_TYPES = {kind.name: number for number, kind in TENSOR_TYPES.items()}
_VERSION = 3


@dataclass(frozen=True)
class GGUFVocabulary:
    """A vocabulary in the form of GGUF: tokens and merges in GPT-2's byte alphabet, special tokens unchanged."""

    tokens: Sequence[str | None]  # by id; None for an id without a token
    special: Mapping[str, int]  # token -> id
    merges: Sequence[str]  # "a b"
    end_of_text: int | None  # the id of the token that begins and ends a text


def refuse_for_gguf(config: GPT2Config) -> None:
    """Raise CheckpointError for a model that llama.cpp would run as another model."""
    taken_for_granted = {
        "activation_function": "gelu_new",
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
    }
    refuse_other_values(config, taken_for_granted, "GGUF")
    if not struct.unpack("<f", struct.pack("<f", config.layer_norm_epsilon))[0]:
        epsilon = shown(config.layer_norm_epsilon)
        raise CheckpointError(f"layer_norm_epsilon is {epsilon}, which a GGUF file rounds to 0; write safetensors")


def write_gguf(
    file: BinaryIO, config: GPT2Config, tensors: Mapping[str, StoredTensor], dtype: str, vocabulary: GGUFVocabulary
) -> None:
    """Write a model, whose tensors have our names, to an open file. Raises CheckpointError, OSError."""
    refuse_for_gguf(config)
    ordered = in_model_order(tensors, config)
    values = [*_of_the_model(config, dtype), *_of_the_vocabulary(config, vocabulary)]
    entries, offset = [], 0
    for name, tensor in ordered.items():
        kind = dtype_in_gguf(name, tensor, dtype)
        entries.append(_entry(name, tensor, _TYPES[kind], offset))
        offset += aligned(bytes_of(tensor.count, kind))
    head = MAGIC + struct.pack("<IQQ", _VERSION, len(entries), len(values)) + b"".join(values + entries)
    file.write(head.ljust(aligned(len(head)), b"\0"))
    for name, tensor in ordered.items():
        kind = dtype_in_gguf(name, tensor, dtype)
        for part in tensor_bytes(tensor, kind, transposed=is_layer_matrix(name)):
            file.write(part)
        size = bytes_of(tensor.count, kind)
        file.write(bytes(aligned(size) - size))


def _of_the_model(config: GPT2Config, dtype: str) -> list[bytes]:
    return [
        written_entry("general.architecture", STRING, "gpt2"),
        written_entry(ALIGNMENT_KEY, U32, ALIGNMENT),
        written_entry("general.file_type", U32, FILE_TYPES[dtype]),
        *metadata_of_config(config),
    ]


def _of_the_vocabulary(config: GPT2Config, vocabulary: GGUFVocabulary) -> list[bytes]:
    """Return the entries of the vocabulary. llama.cpp needs as many tokens as the table of embeddings has rows."""
    missing = [None] * (config.vocab_size - len(vocabulary.tokens))
    tokens = [*vocabulary.tokens, *missing]
    values = [
        written_entry("tokenizer.ggml.model", STRING, "gpt2"),
        written_entry("tokenizer.ggml.pre", STRING, "gpt-2"),
        written_array("tokenizer.ggml.tokens", STRING, _named(tokens)),
        written_array("tokenizer.ggml.token_type", I32, _types(tokens, vocabulary.special)),
        written_array("tokenizer.ggml.merges", STRING, vocabulary.merges),
        written_entry("tokenizer.ggml.add_bos_token", BOOL, False),
    ]
    if vocabulary.end_of_text is not None:
        keys = [f"tokenizer.ggml.{kind}_token_id" for kind in ("bos", "eos", "unknown")]
        values += [written_entry(key, U32, vocabulary.end_of_text) for key in keys]
    return values


def _types(tokens: Sequence[str | None], special: Mapping[str, int]) -> list[TokenType]:
    control = set(special.values())
    return [
        TokenType.UNUSED if token is None else TokenType.CONTROL if i in control else TokenType.NORMAL
        for i, token in enumerate(tokens)
    ]


def _named(tokens: Sequence[str | None]) -> list[str]:
    """Return the tokens, with a new unique name for each id without a token: llama.cpp refuses equal tokens."""
    taken, named = set(tokens), []
    for i, token in enumerate(tokens):
        name = f"[PAD{i}]" if token is None else token
        while token is None and name in taken:
            name = f"[{name}]"
        named.append(name)
        taken.add(name)
    return named


def dtype_in_gguf(name: str, tensor: StoredTensor, dtype: str) -> str:
    """Return the type of a tensor, by our name, in a file whose matrices are of `dtype`."""
    return "F32" if len(tensor.shape) == 1 or name == "wpe.weight" else dtype


def _entry(name: str, tensor: StoredTensor, kind: int, offset: int) -> bytes:
    dims = tensor.shape if is_layer_matrix(name) else tensor.shape[::-1]  # innermost first
    return written_string(gguf_name(name)) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
