"""How large a model may be: what the lanes have room for."""

import sys
from collections.abc import Iterable

from starchart.engines.packed.arithmetic.lanes import FAST, FULL, Lanes, Precision
from starchart.engines.packed.slices import SliceRange
from starchart.engines.processors import available_memory, available_processors
from starchart.errors import EngineError
from starchart.model.config import GPT2Config


def refuse_too_many_rows(layers: Iterable[str], slices: SliceRange, precision: Precision) -> None:
    """Raise EngineError for a layer with more than 2^L groups of rows: the room of two lanes ends there."""
    for name in layers:
        groups = len(slices.sizes(name))
        if groups > _most_groups(precision):
            advice = _advice(groups <= _most_groups(FULL))
            raise EngineError(f"{name}: it has more rows than the packed engine can add up; {advice}")


def refuse_too_many_positions(config: GPT2Config, precision: Precision) -> None:
    """Raise EngineError where a pattern may be so long that its roundings alone, 1/2 each, fill a lane."""
    positions = config.n_positions
    if positions > _most_positions(precision):
        advice = _advice(positions <= _most_positions(FULL))
        raise EngineError(f"n_positions is {positions}: longer texts than the packed engine can read; {advice}")


def _most_groups(precision: Precision) -> int:
    return 1 << precision.weights.width


def _most_positions(precision: Precision) -> int:
    lanes = precision.attention
    return 1 << (lanes.width - 1 - lanes.weight_bits)


def _advice(full_has_room: bool) -> str:
    return "use --precision full" if full_has_room else "use --engine reference"


_PER_PROCESS = 40 << 20  # bytes: Python itself, and what is in hand while a matrix is packed
_PER_DIGIT = 4 / 30  # bytes for a bit of CPython's integers
_PER_WEIGHT = 4  # of the tables that stay as they are
_GROUPS = 65 / 64  # each group of rows has one number more


def refuse_if_too_large(config: GPT2Config, precision: Precision, processes: int, tables: int = 1) -> None:
    """Raise EngineError, with what would fit, if the model would take more memory than there is.

    `tables`: 2 where the head is not tied to wte. Where the system does not tell its memory (macOS, Windows), nothing
    is refused.
    """
    room = available_memory()
    needed = packed_memory(config, precision, processes, tables)
    if room is None or needed <= room:
        return
    smaller = packed_memory(config, FAST, processes, tables)
    advice = "close other programs, or choose a smaller model"
    if precision is FULL and smaller <= room:
        advice = f"--precision fast needs {smaller / 1e9:.1f} GB"
    raise EngineError(
        f"the packed model needs {needed / 1e9:.1f} GB of memory and {room / 1e9:.1f} GB are free; {advice}"
    )


def packed_memory(config: GPT2Config, precision: Precision, processes: int, tables: int = 1) -> int:
    """Return about how many bytes the processes of a packed model take together, when a text is as long as it gets."""
    channels, vocabulary = config.n_embd, config.vocab_size
    linear = config.n_layer * channels * (4 * channels + 2 * config.feed_forward_width)
    size = (linear + vocabulary * channels) * _bytes(precision.weights)
    if precision.screen:
        size += vocabulary * channels * _bytes(precision.screen)
    size += channels * (tables * vocabulary + config.n_positions) * _PER_WEIGHT
    size += 2 * config.n_layer * config.n_positions * channels * _bytes(precision.attention)
    return int(size) + processes * _PER_PROCESS


def _bytes(lanes: Lanes) -> float:
    return lanes.width * _PER_DIGIT * _GROUPS


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
