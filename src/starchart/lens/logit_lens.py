"""Logit lens: which token the model would give if it stopped early, at each point of the residual stream.

    lens(x) = output_projection(ln_f(x)),    x = h.N.resid_pre, h.N.resid_mid or h.N.resid_post

At the last point it is the model's own output. Source: nostalgebraist, "interpreting GPT: the logit lens", LessWrong,
August 2020.
"""

from collections.abc import Iterable, Sequence

from starchart import GPT2
from starchart.errors import RequestError
from starchart.model.config import GPT2Config
from starchart.tap import Recording

_POINTS = ("resid_pre", "resid_mid", "resid_post")


def logit_lens(
    gpt2: GPT2, ids: Sequence[int], position: int = -1, points: Iterable[str] | None = None
) -> dict[str, list[float]]:  # [T] -> [V] for each point
    """Return the logits after the token at `position` (default: the last) that each point of the stream gives.

    `points` are names such as "h.0.resid_mid"; without them, all points in their order. Raises RequestError for a
    point or a position that is not there.
    """
    points = stream_points(gpt2.config) if points is None else list(points)
    check_points(points, gpt2.config)
    position = checked_position(position, len(ids))
    recording = Recording(*points)
    gpt2.logits(ids, last_only=True, tap=recording)
    rows = gpt2.read_out([recording[point][position] for point in points]) if points else []
    return dict(zip(points, rows, strict=True))


def stream_points(config: GPT2Config) -> list[str]:
    """Return the names of all points of the residual stream, in the order of a run."""
    return [f"h.{n}.{point}" for n in range(config.n_layer) for point in _POINTS]


def check_points(points: Sequence[str], config: GPT2Config) -> None:
    """Raise RequestError for a name that is no point of the residual stream."""
    for point in points:
        if point not in stream_points(config):
            raise RequestError(f"{point!r} is no point of the residual stream; they are h.N.resid_pre, _mid and _post")


def checked_position(position: int, tokens: int) -> int:
    """Return a position counted from 0; -1 is the last one. Raises RequestError for one that is not there."""
    if not -tokens <= position < tokens:
        raise RequestError(f"there is no position {position}: the prompt has {tokens} tokens, 0 to {tokens - 1}")
    return position % tokens
