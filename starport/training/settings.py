"""The settings of a training run, checked before any file is read."""

from dataclasses import dataclass
from math import cos, pi

from starchart.errors import TrainingError

OPTIMIZERS = ("adamw", "muon")
_SEEDS = 1 << 43  # torch takes 63 bits, of which 20 count epochs


@dataclass(frozen=True)
class TrainingSettings:
    """The hyperparameters. Raises TrainingError for a value that is out of range."""

    steps: int
    context: int  # T, tokens of a window
    batch_size: int = 8  # windows per batch, over all processes
    accumulate: int = 1  # batches per step
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.0  # final rate / peak rate
    warmup_steps: int = 100
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.99
    clip: float = 1.0  # gradient-norm clipping; 0: off
    dropout: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        at_least = {"steps": 1, "context": 1, "batch_size": 1, "accumulate": 1, "warmup_steps": 0}
        for name, least in at_least.items():
            self._check(name, getattr(self, name) >= least, f"at least {least}")
        self._check("seed", 0 <= self.seed < _SEEDS, f"from 0 to {_SEEDS - 1}")
        for name in ("beta1", "beta2", "dropout"):
            self._check(name, 0 <= getattr(self, name) < 1, "0 or more and below 1")
        self._check("final_learning_rate", 0 <= self.final_learning_rate <= 1, "between 0 and 1")
        for name in ("weight_decay", "clip"):
            self._check(name, 0 <= getattr(self, name) < float("inf"), "0 or more")
        self._check("learning_rate", 0 < self.learning_rate < float("inf"), "above 0")
        self._check("optimizer", self.optimizer in OPTIMIZERS, " or ".join(OPTIMIZERS))

    def _check(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise TrainingError(f"--{name.replace('_', '-')} {getattr(self, name)}: it must be {wanted}")

    @property
    def tokens_per_step(self) -> int:
        """How many tokens are predicted per optimizer step."""
        return self.context * self.batch_size * self.accumulate


def learning_rate_share(step: int, settings: TrainingSettings) -> float:
    """Return learning rate / peak learning rate of step `step`, which counts from 0.

    Linear warmup, then cosine decay. Source: Radford et al. 2018, section 4.1;
    Loshchilov and Hutter 2017, equation 5.
    """
    warmup = settings.warmup_steps
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, settings.steps - warmup)
    final = settings.final_learning_rate
    return final + (1 - final) * (1 + cos(pi * progress)) / 2
