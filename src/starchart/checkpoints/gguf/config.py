"""The configuration of a GPT-2 in the metadata of its GGUF file, read and written.

    gpt2.context_length                  n_positions       gpt2.attention.head_count            n_head
    gpt2.embedding_length                n_embd            gpt2.attention.layer_norm_epsilon    layer_norm_epsilon
    gpt2.block_count                     n_layer           tokenizer.ggml.eos_token_id          eos_token_ids
    gpt2.feed_forward_length             n_inner; 4 n_embd where it is not there

The format cannot represent the other options of a configuration: a GPT-2 in it has the GELU of GPT-2, and attention
scaled by 1/sqrt(D). Without `output.weight`, the head is the table of tokens. Epsilon is a float32 in the file; it is
read as the shortest decimal number that rounds to that float32, for example 1e-05.
Source: ggml, docs/gguf.md, sections "GPT-2" and "Attention".
"""

import struct
from collections.abc import Mapping
from typing import Any

from starchart.errors import CheckpointError, ConfigError
from starchart.files.gguf_header import F32, U32, written_entry
from starchart.files.json_file import shown
from starchart.model.config import GPT2Config, token_ids

_WIDTH, _EPSILON = "gpt2.feed_forward_length", "gpt2.attention.layer_norm_epsilon"
_SIZES = {
    "gpt2.context_length": "n_positions",
    "gpt2.embedding_length": "n_embd",
    _WIDTH: "n_inner",
    "gpt2.block_count": "n_layer",
    "gpt2.attention.head_count": "n_head",
}
_END = "tokenizer.ggml.eos_token_id"


def refuse_other_architecture(metadata: Mapping[str, Any], source: str) -> None:
    """Raise CheckpointError for a file that holds anything but a whole GPT-2."""
    architecture = metadata.get("general.architecture")
    if architecture != "gpt2":
        held = (
            "does not say which model it holds" if architecture is None else f"is a model of type {shown(architecture)}"
        )
        raise CheckpointError(f"{source}: {held} (general.architecture); only 'gpt2' can be read")
    parts = metadata.get("split.count", 0)
    if parts not in (0, 1):
        raise CheckpointError(f"{source}: is one of {shown(parts)} parts; join them with llama-gguf-split --merge")


def config_from_metadata(metadata: Mapping[str, Any], vocab_size: int) -> GPT2Config:
    """Return the configuration in the metadata of a GPT-2 with `vocab_size` tokens. Raises ConfigError."""
    missing = [key for key in (*_SIZES, _EPSILON) if key not in metadata and key != _WIDTH]
    if missing:
        raise ConfigError(f"its metadata has no {' and no '.join(missing)}; convert the model again")
    sizes: dict[str, Any] = {field: metadata.get(key) for key, field in _SIZES.items()}
    heads = sizes["n_head"]
    # Settings that would make it another model, with the values that are accepted.
    settings = {
        "gpt2.attention.head_count_kv": (heads,),
        "gpt2.tensor_data_layout": ("reference",),
        "gpt2.use_parallel_residual": (False,),
        "gpt2.expert_count": (0,),
        "general.quantization_version": (2,),  # older versions have other blocks of quantised numbers
    }
    for key, plain in settings.items():
        if key in metadata and metadata[key] not in plain:
            raise ConfigError(f"{key} is {shown(metadata[key])}; only {shown(plain[0])} can be read")
    return GPT2Config(
        **sizes,
        vocab_size=vocab_size,
        layer_norm_epsilon=_shortest(metadata[_EPSILON]),
        eos_token_ids=_end_of_text(metadata.get(_END), vocab_size),
    )


def metadata_of_config(config: GPT2Config) -> list[bytes]:
    """Return the entries of metadata for a configuration, without those of the vocabulary."""
    sizes = {key: getattr(config, field) for key, field in _SIZES.items()} | {_WIDTH: config.feed_forward_width}
    epsilon = written_entry(_EPSILON, F32, config.layer_norm_epsilon)
    return [*(written_entry(key, U32, size) for key, size in sizes.items()), epsilon]


def _shortest(epsilon: Any) -> Any:
    """Return the shortest decimal number that rounds to the same float32. Anything but a float stays as it is.

    >>> _shortest(struct.unpack("f", struct.pack("f", 1e-5))[0])
    1e-05
    """
    if not isinstance(epsilon, float):
        return epsilon
    rounded = (float(f"{epsilon:.{digits}e}") for digits in range(17))
    return next((number for number in rounded if _as_float32(number) == _as_float32(epsilon)), epsilon)


def _as_float32(number: float) -> bytes:
    try:
        return struct.pack("<f", number)
    except OverflowError:  # no float32 is so large
        return b""


def _end_of_text(value: Any, vocab_size: int) -> tuple[int, ...]:
    """Return the id of the end-of-text token, if the metadata has one."""
    ids = token_ids(value)
    if any(not 0 <= i < vocab_size for i in ids):
        raise ConfigError(f"{_END} is {shown(value)}, and the model has {vocab_size} tokens")
    return ids
