"""The loop: read the prompt once, then draw a token, read it, draw the next.

Every token is read once, because its keys and values stay in the cache; only on_full="slide" reads tokens again.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from starchart.errors import GenerationError
from starchart.generation.sampling import SamplingSettings, sample
from starchart.generation.torch_random import TorchGenerator
from starchart.model.cache import Cache

FinishReason: TypeAlias = Literal["length", "end_of_text", "context"]


class Logits(Protocol):
    """The logits after one token, [V], which an engine may compute in part."""

    def top(self, count: int) -> Sequence[float]:
        """Return the row. Unless `count` is 0, logits below the `count` largest may be -inf; see `Engine`."""


Read: TypeAlias = Callable[[Sequence[int], Cache | None], tuple[Logits, Cache]]


@dataclass(frozen=True)
class Limits:
    """When to stop, and what to do when the context is full."""

    n_positions: int
    end_of_text: Sequence[int] = ()  # ids that end a text
    max_new_tokens: int = 20
    on_full: Literal["stop", "slide"] = "stop"

    def __post_init__(self) -> None:
        if isinstance(self.max_new_tokens, bool) or not isinstance(self.max_new_tokens, int) or self.max_new_tokens < 1:
            raise GenerationError(
                f"max_new_tokens must be a whole number of at least 1, not {self.max_new_tokens!r}", "max_new_tokens"
            )
        if self.on_full not in ("stop", "slide"):
            raise GenerationError(f"on_full must be 'stop' or 'slide', not {self.on_full!r}", "on_full")


@dataclass(frozen=True)
class Step:
    """One new token, the logits that it was drawn from, and the reason if it is the last one."""

    token: int
    drawn_from: Logits
    finish_reason: FinishReason | None

    @property
    def logits(self) -> Sequence[float]:  # [V]
        """The whole row that the token was drawn from, computed when it is asked for. Ask before the next step."""
        return self.drawn_from.top(0)


def generate(ids: Sequence[int], read: Read, limits: Limits, settings: SamplingSettings) -> Iterator[Step]:  # [T] ->
    """Yield new tokens after `ids`, as they are drawn.

    `read(ids, cache)` is the model: it returns the logits after the last of `ids` and the cache with them in it; a
    cache of None is an empty one. The text ends after `max_new_tokens` ("length"), at a token of `end_of_text`
    ("end_of_text", the token is yielded too) or when `n_positions` are read ("context"). With on_full="slide" the
    model then reads the last n_positions/2 tokens again and goes on. Raises GenerationError for a prompt that is
    longer than the model reads.
    """
    seed = secrets.randbits(32) if settings.seed is None else settings.seed
    return _steps(_fitting(ids, limits), read, limits, settings, TorchGenerator(seed))


def _steps(
    text: list[int], read: Read, limits: Limits, settings: SamplingSettings, generator: TorchGenerator
) -> Iterator[Step]:
    logits, cache = read(text, None)
    for count in range(1, limits.max_new_tokens + 1):
        token = sample(logits.top(settings.tokens_needed), settings, generator)
        text.append(token)
        full = cache.length == limits.n_positions
        reason = _finish_reason(token, count, full, limits)
        yield Step(token, logits, reason)
        if reason:
            return
        logits, cache = read(_recent(text, limits), None) if full else read([token], cache)


def _fitting(ids: Sequence[int], limits: Limits) -> list[int]:
    if len(ids) <= limits.n_positions:
        return list(ids)
    if limits.on_full == "slide":
        return _recent(ids, limits)
    raise GenerationError(
        f"the prompt has {len(ids)} tokens and this model reads at most {limits.n_positions};"
        " shorten it, or let it read only the last part with on_full slide",
        "on_full",
    )


def _recent(text: Sequence[int], limits: Limits) -> list[int]:
    return list(text[-max(1, limits.n_positions // 2) :])


def _finish_reason(token: int, count: int, full: bool, limits: Limits) -> FinishReason | None:
    if token in limits.end_of_text:
        return "end_of_text"
    if count == limits.max_new_tokens:
        return "length"
    if full and limits.on_full == "stop":
        return "context"
    return None
