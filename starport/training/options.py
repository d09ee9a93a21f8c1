"""The options of a training, as the user gave them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starchart.errors import TrainingError

DEFAULT_SHAPE: Mapping[str, Any] = {"n_layer": 6, "n_head": 8, "n_embd": 256, "n_positions": 512}


@dataclass(frozen=True)
class Schedule:
    """Steps between checkpoints, steps between validations, and how many checkpoints to keep, the newest.

    Raises TrainingError for a number below 1.
    """

    save_every: int
    validate_every: int
    keep: int

    def __post_init__(self) -> None:
        for name in ("save_every", "validate_every", "keep"):
            if getattr(self, name) < 1:
                raise TrainingError(f"--{name.replace('_', '-')} {getattr(self, name)}: it must be at least 1")


@dataclass(frozen=True)
class TrainingOptions:
    """The options of `starchart train`. `shape` and `settings` hold only the values that the user gave."""

    texts: Sequence[str]  # files
    valid: Sequence[str]  # files
    out: str
    resume: bool
    start: str | None  # model to start from; None: random weights
    vocab: str | None  # None: that of `start`, or train one on the texts
    vocab_size: int  # of a vocabulary that is trained
    shape: Mapping[str, Any]  # numbers, by the names of DEFAULT_SHAPE
    settings: Mapping[str, Any]  # by the names of the fields of TrainingSettings
    epochs: float | None
    save_as: str
    device: str
    precision: str
    schedule: Schedule
