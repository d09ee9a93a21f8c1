"""From a row of logits to a token: greedy, or drawn as transformers and torch draw it.

    float32 -> / temperature -> top-k -> top-p -> exponential race

With the same logits, settings and seed the tokens are those of transformers' `generate` on the CPU, which rounds the
logits to float32 before anything else, for a float64 model too. Left out: batches (a loop at the top) and beams.

Sources: see `logits_filters`, `exponential_race` and `torch_random`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from math import inf, isnan

from starchart.errors import GenerationError
from starchart.generation.exponential_race import exponential_race
from starchart.generation.float32 import LARGEST_FLOAT32, SMALLEST_FLOAT32, float32, float32_row
from starchart.generation.logits_filters import divide_by_temperature, top_k, top_p
from starchart.generation.torch_random import TorchGenerator, check_seed

_TIE = 1.0 / (1 << 21)  # relative: two roundings to float32 cannot make numbers equal that differ by more than 2^-22
_HOT = 1e6  # from here on logits that differ much may become equal: their quotients are subnormal


@dataclass(frozen=True)
class SamplingSettings:
    """How to choose the next token. The names are those of transformers' GenerationConfig.

    temperature 0 is greedy; top_k 0 and top_p 1 filter nothing out; with seed None the caller chooses a seed.
    Raises GenerationError for a setting out of its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None

    @property
    def tokens_needed(self) -> int:
        """How many of the most probable tokens can be drawn, and any that tie with the last; 0: all."""
        if self.temperature == 0:
            return 1
        return self.top_k if self.temperature < _HOT else 0

    def __post_init__(self) -> None:
        _check_temperature(self.temperature)
        if not isinstance(self.top_k, int) or isinstance(self.top_k, bool) or self.top_k < 0:
            raise GenerationError(
                f"top_k {self.top_k!r} is not a whole number of at least 0: use 0 to keep all tokens", "top_k"
            )
        if not _is_number(self.top_p) or not 0 < self.top_p <= 1:
            raise GenerationError(
                f"top_p {self.top_p!r} is not above 0 and at most 1: use 1 to keep all tokens", "top_p"
            )
        if self.seed is not None:
            check_seed(self.seed)


def sample(logits: Sequence[float], settings: SamplingSettings, generator: TorchGenerator) -> int:  # [V] -> token id
    """Return the next token. Every draw uses 2V random words; greedy (temperature 0) uses none.

    Greedy takes the largest logit in float32, the first of equals, as transformers does even for a float64 model.
    Raises GenerationError if a logit is NaN, or if the largest is not finite.

    >>> sample([0.5, 2.0, 1.0], SamplingSettings(temperature=0), TorchGenerator(42))
    1
    >>> sample([0.5, 2.0, 1.0], SamplingSettings(), TorchGenerator(42))
    1
    """
    row = float32_row(logits)
    _check_logits(row)
    if settings.temperature == 0:
        return row.index(max(row))
    ids: Sequence[int] = range(len(row))
    if 0 < settings.top_k < len(row):
        ids = _near_the_top(row, settings.top_k)
        row = [row[token] for token in ids]
    if settings.temperature != 1:
        row = divide_by_temperature(row, settings.temperature)
        _check_largest(
            row, f"after division by temperature {settings.temperature!r}: use one nearer to 1, or 0", "temperature"
        )
    kept = _kept(row, settings)
    if len(ids) == len(logits):
        return exponential_race(row, kept, generator)
    scaled = [-inf] * len(logits)
    for place in kept:
        scaled[ids[place]] = row[place]
    return exponential_race(scaled, [ids[place] for place in kept], generator)


def _near_the_top(row: Sequence[float], k: int) -> list[int]:  # [V] -> ids, smallest first
    """Return the tokens of the k largest logits, and those that may tie with the last after division and rounding."""
    last = nlargest(k, row)[-1]
    least = last - abs(last) * _TIE - SMALLEST_FLOAT32 if last > -inf else last
    return [token for token, logit in enumerate(row) if logit >= least]


def _kept(row: Sequence[float], settings: SamplingSettings) -> Sequence[int]:  # [n] -> places, smallest first
    places: Sequence[int] = range(len(row))
    if 0 < settings.top_k < len(row):
        places = top_k(row, settings.top_k)
    if settings.top_p < 1:
        places = top_p(row, places, settings.top_p)
    return places


def _check_logits(row: Sequence[float]) -> None:
    if not row:
        raise GenerationError("there are no logits to draw from: give one for each token of the vocabulary")
    advice = "look for NaN, infinite or huge weights in the model"
    if any(map(isnan, row)):
        raise GenerationError(f"the logit of token {[*map(isnan, row)].index(True)} is NaN: {advice}")
    _check_largest(row, f"in float32: {advice}")


def _check_largest(row: Sequence[float], advice: str, setting: str = "") -> None:
    if not -inf < max(row) < inf:
        raise GenerationError(f"the largest logit is {max(row)} {advice}", setting)


def _check_temperature(temperature: float) -> None:
    fits = _is_number(temperature) and 0 <= temperature <= LARGEST_FLOAT32
    if not fits or (temperature and not float32(temperature)):
        raise GenerationError(
            f"temperature {temperature!r} is not allowed: give 0 for the most probable token every time, or a number"
            " from 1e-45 to 3.4e38, such as 0.8",
            "temperature",
        )


def _is_number(value: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
