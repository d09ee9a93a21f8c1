"""What one pass of the model read and computed: all that an operation needs to be done again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starchart.utils.matrix import Matrix


@dataclass(frozen=True)
class Run:
    """The ids, values and weights of one pass. Nested lists, or any sequences of sequences of floats.

    `values` are by name, those of a `Recording` for example; an operation looks only at its inputs. `weights` too:
    `gpt2.weights` will do. `past` has the keys and values that were in the cache before, `h.0.attn.k` [H][S-T][D].
    """

    ids: Sequence[int]
    values: Mapping[str, Any]
    weights: Mapping[str, Any]
    past: Mapping[str, Sequence[Matrix]] = field(default_factory=dict)
    first_position: int = 0  # S - T
    last_only: bool = False  # logits of the last token alone

    def all_tokens(self, name: str) -> list[list[Any]]:  # -> [H][S][D]
        """Return the keys or values of all S tokens, those in the cache before the new ones."""
        new = self.values[name]
        old = self.past.get(name) or [[] for _ in new]
        return [[*before, *rows] for before, rows in zip(old, new, strict=True)]
