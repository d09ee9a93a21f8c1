"""Runs that several components use: that of the reference engine, and the true values."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from starchart.checkpoints.checkpoint import read_config
from starchart.gpt2 import GPT2
from starchart.tap import Recording
from starport.verify.numpy_gpt2 import Array, numpy_gpt2

_TOKENS = 12
_TOKENS_OF_A_LARGE_MODEL = 3  # the reference engine takes about 6 seconds per token of GPT-2 124M
_LARGE = 20_000_000  # weights

TRUTH_BITS = np.finfo(np.longdouble).nmant + 1


@cache
def prompt(model: Path) -> tuple[int, ...]:
    """Return the ids that the model is checked on: a dozen from its whole vocabulary, one of them twice."""
    config = read_config(model)
    weights = config.n_embd * (config.vocab_size + 12 * config.n_layer * config.n_embd)
    count = min(_TOKENS_OF_A_LARGE_MODEL if weights > _LARGE else _TOKENS, config.n_positions)
    return tuple((7919 * (n % 11) + 17) % config.vocab_size for n in range(count))


@cache
def reference_values(model: Path, ids: tuple[int, ...]) -> Mapping[str, Any]:
    """Return every value of a run of the reference engine: name -> lists of floats."""
    recording = Recording()
    GPT2.from_pretrained(model).logits(ids, tap=recording)
    return recording


@cache
def true_values(model: Path, ids: tuple[int, ...]) -> Mapping[str, Array]:
    """Return the true values: a run of NumPy with TRUTH_BITS bits, 64 on x86, 53 where C's long double is a double."""
    return numpy_gpt2(model, ids, np.longdouble)
