"""How many processes compute."""

import sys

from starchart.engines.processors import available_processors
from starchart.errors import EngineError
from starchart.model.config import GPT2Config

# Below so many multiplications a token, passing messages costs more than a second process gains.
_WORTH_A_WORKER = 20_000_000


def number_of_workers(config: GPT2Config, wanted: int | None) -> int:
    """Return how many processes are to compute: as many as wanted, else what suits the model and the machine.

    A process needs a head of its own, so there are never more than heads. Raises EngineError for fewer than 1.
    """
    if wanted is not None and (isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1):
        raise EngineError(f"workers must be a whole number of at least 1, not {wanted!r}")
    if not sys.executable or getattr(sys, "frozen", False):  # no Python to start
        return 1
    if wanted is None:
        channels = config.n_embd
        products = config.n_layer * channels * (4 * channels + 2 * config.feed_forward_width)
        small = products + config.vocab_size * channels < _WORTH_A_WORKER
        wanted = 1 if small else available_processors()
    return min(wanted, config.n_head)
