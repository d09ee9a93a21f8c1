"""Whether the fingerprint of a trace is the one that docs/FINGERPRINTS.md has for it."""

from collections.abc import Sequence
from functools import cache

from starchart.generation.fingerprint import fingerprint
from starchart.generation.float32 import float32_row
from starport.explorer.opened_model import OpenedModel
from starport.explorer.published_table import FINGERPRINTS, MODEL
from starport.explorer.traces import Trace
from starport.verify.fingerprints import NEW_TOKENS, model_digest

_MOST_PARAMETERS = 20_000_000  # towel has 4 million; the files of a large model take seconds to hash


def is_published(model: OpenedModel, trace: Trace) -> bool | None:
    """Return whether the fingerprint of the last row is the published one; None where none is published for it.

    One is published for a prompt of the page with greedy tokens after it, so that token 3 comes from the last row.
    """
    rows = trace.values["logits"]
    start = len(trace.ids) - NEW_TOKENS + 1
    for (prompt, engine, precision), published in FINGERPRINTS.items():
        if (engine, precision) != (trace.engine, trace.precision) or trace.change:
            continue
        if model.tokens.tokenizer.encode(prompt) == list(trace.ids[:start]) and _is_greedy(trace, start):
            if model.parameters > _MOST_PARAMETERS or _digest(model.folder) != MODEL:
                return None
            return fingerprint(rows[-1]) == published
    return None


def _is_greedy(trace: Trace, start: int) -> bool:
    """Return whether each token from `start` on is the likeliest one, in float32, after those before it."""
    return all(trace.ids[at] == _likeliest(trace.values["logits"][at - 1]) for at in range(start, len(trace.ids)))


def _likeliest(logits: Sequence[float]) -> int:
    row = float32_row(logits)
    return row.index(max(row))


_digest = cache(model_digest)
