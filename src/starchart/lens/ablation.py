"""Ablation: what the model says when some of its heads or feed-forward networks add nothing.

A head that is switched off has z = 0 at every position; a feed-forward network adds 0 to the residual stream.
Source: Michel, Levy and Neubig 2019, "Are Sixteen Heads Really Better than One?", section 2.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from starchart import GPT2
from starchart.errors import RequestError
from starchart.tap import Changes


def ablate_heads(
    gpt2: GPT2, ids: Sequence[int], heads: Iterable[tuple[int, int]]
) -> list[list[float]]:  # [T] -> [T][V]
    """Return the logits with these heads switched off, each (block, head). Raises RequestError for one not there."""
    off: dict[str, set[int]] = {}
    for layer, head in heads:
        _check("block", layer, gpt2.config.n_layer)
        _check("head", head, gpt2.config.n_head)
        off.setdefault(f"h.{layer}.attn.z", set()).add(head)

    def without(numbers: set[int]) -> Any:
        return lambda z: [zeros(rows) if head in numbers else rows for head, rows in enumerate(z)]

    with Changes({name: without(numbers) for name, numbers in off.items()}) as tap:
        return gpt2.logits(ids, tap=tap)


def ablate_feed_forward(gpt2: GPT2, ids: Sequence[int], layers: Iterable[int]) -> list[list[float]]:  # [T] -> [T][V]
    """Return the logits with the feed-forward networks of these blocks switched off. Raises RequestError likewise."""
    layers = set(layers)
    for layer in layers:
        _check("block", layer, gpt2.config.n_layer)
    with Changes({f"h.{layer}.mlp.c_proj": zeros for layer in layers}) as tap:
        return gpt2.logits(ids, tap=tap)


def zeros(value: Any) -> Any:
    """Return nested lists of the same shape, of zeros."""
    return [zeros(part) for part in value] if hasattr(value, "__len__") else 0.0


def _check(what: str, number: int, count: int) -> None:
    if not 0 <= number < count:
        raise RequestError(f"there is no {what} {number}: they are numbered 0 to {count - 1}")
