"""The configuration of a GPT-2: the numbers of config.json, under Hugging Face's names.

Defaults are those of transformers' GPT2Config, which are those of the smallest GPT-2. Dropout rates and the settings of
summary heads are for training and classification; they are not read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

from starchart.errors import ConfigError
from starchart.files.json_file import shown
from starchart.utils.activations import ACTIVATIONS

# transformers reads these too (GPT2Config.attribute_map).
_OTHER_NAMES = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}
_ARCHITECTURES = ("GPT2LMHeadModel", "GPT2Model")


@dataclass(frozen=True)
class GPT2Config:
    """A checked configuration. Raises ConfigError where the numbers cannot be those of a GPT-2."""

    vocab_size: int = 50257  # V
    n_positions: int = 1024  # P, the longest text it reads
    n_embd: int = 768  # C
    n_layer: int = 12  # L
    n_head: int = 12  # H
    n_inner: int | None = None  # F; None means 4 C
    activation_function: str = "gelu_new"
    layer_norm_epsilon: float = 1e-5
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False
    reorder_and_upcast_attn: bool = False  # changes only how half precision rounds: no effect here
    tie_word_embeddings: bool = True
    eos_token_ids: tuple[int, ...] = (50256,)  # tokens that end a text

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head"):
            _check_positive_int(name, getattr(self, name))
        if self.n_inner is not None:
            _check_positive_int("n_inner", self.n_inner)
        for name in (
            "scale_attn_weights",
            "scale_attn_by_inverse_layer_idx",
            "reorder_and_upcast_attn",
            "tie_word_embeddings",
        ):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be true or false, not {shown(getattr(self, name))}")
        if self.n_embd % self.n_head:
            raise ConfigError(f"n_embd {shown(self.n_embd)} does not divide into n_head {shown(self.n_head)} heads")
        epsilon = self.layer_norm_epsilon
        if not isinstance(epsilon, float) or not 0 < epsilon < 1:
            raise ConfigError(f"layer_norm_epsilon must be a number between 0 and 1, not {shown(epsilon)}")
        if self.activation_function not in list(ACTIVATIONS):
            known = ", ".join(ACTIVATIONS)
            raise ConfigError(f"activation_function {shown(self.activation_function)} is not known; known are {known}")

    @property
    def feed_forward_width(self) -> int:
        """F, the width of the feed-forward network."""
        return 4 * self.n_embd if self.n_inner is None else self.n_inner

    def attention_scale(self, layer: int) -> float:
        """Return the factor of Q K^T in block `layer` (from 0): 1/sqrt(D) and, if configured, 1/(layer + 1)."""
        scale = 1 / sqrt(self.n_embd // self.n_head) if self.scale_attn_weights else 1.0
        return scale / (layer + 1) if self.scale_attn_by_inverse_layer_idx else scale

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "GPT2Config":
        """Return the configuration that the values of a config.json describe, or raise ConfigError."""
        _check_architecture(values)
        named = dict(values)
        for other, name in _OTHER_NAMES.items():
            if other in values and named.setdefault(name, values[other]) != values[other]:
                raise ConfigError(f"{other} is {shown(values[other])} and {name}, its other name, {shown(named[name])}")
        fields = {key: named[key] for key in cls.__dataclass_fields__ if key in named and key != "eos_token_ids"}
        if "eos_token_id" in named:
            fields["eos_token_ids"] = token_ids(named["eos_token_id"])
        return cls(**fields)


def token_ids(value: Any) -> tuple[int, ...]:
    """Return the ids in an `eos_token_id` field, which may be a number, a list of numbers, or null."""
    ids = [] if value is None else value if isinstance(value, list) else [value]
    if any(isinstance(index, bool) or not isinstance(index, int) for index in ids):
        raise ConfigError(f"eos_token_id must be a number, a list of numbers or null, not {shown(value)}")
    return tuple(ids)


def _check_architecture(values: Mapping[str, Any]) -> None:
    model_type = values.get("model_type", "gpt2")
    if model_type != "gpt2":
        raise ConfigError(f"this is a model of type {shown(model_type)}; only 'gpt2' can be read")
    architectures = values.get("architectures") or [_ARCHITECTURES[0]]
    if not isinstance(architectures, list) or architectures[0] not in _ARCHITECTURES:
        raise ConfigError(f"architecture {shown(architectures)} cannot be read; known are {', '.join(_ARCHITECTURES)}")
    for key in ("add_cross_attention", "quantization_config"):
        if values.get(key):
            raise ConfigError(f"{key} is set: this is not a plain GPT-2 and cannot be read")


def _check_positive_int(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name} must be a positive whole number, not {shown(value)}")
