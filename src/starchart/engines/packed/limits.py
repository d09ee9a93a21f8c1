"""Limits: how many processes compute, how much memory a model may take, how many rows and positions the lanes allow."""

import sys
from collections.abc import Iterable

from starchart.engines.packed.arithmetic.lanes import FAST, FULL, Lanes, Precision, with_wider
from starchart.engines.packed.slices import Layer, SliceRange
from starchart.engines.processors import available_memory, available_processors
from starchart.errors import EngineError
from starchart.model.config import GPT2Config

# With fewer multiplications per token, the messages cost more time than a second process saves.
_WORTH_A_WORKER = 20_000_000
_PER_PROCESS = 40 << 20  # bytes: Python itself, and temporary values while a matrix is packed
_PER_DIGIT = 4 / 30  # bytes per bit: CPython stores a digit of 30 bits in 4 bytes
_PER_WEIGHT = 4  # bytes, in the embedding tables, which stay as they are
_GROUPS = 65 / 64  # each group of 64 rows has one more number, `Group.start`


def number_of_workers(config: GPT2Config, wanted: int | None) -> int:
    """Return how many processes compute: `wanted`, or what suits the model and the machine where it is None.

    Each process has at least one attention head, so there are never more processes than heads. Raises EngineError where
    `wanted` is below 1.
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


def refuse_too_many_rows(layers: Iterable[Layer], slices: SliceRange, precision: Precision) -> None:
    """Raise EngineError for a layer with more than 2^L groups of rows: the sum of more may overflow two lanes."""
    for layer in layers:
        groups = len(slices.group_sizes(layer))
        if groups > _most_groups(precision):
            advice = _advice(groups <= _most_groups(FULL))
            raise EngineError(f"{layer.name}: it has more rows than the packed engine can add up; {advice}")


def refuse_too_many_positions(config: GPT2Config, precision: Precision) -> None:
    """Raise EngineError where the rounding errors of a long attention pattern, 1/2 per position, may fill a lane."""
    positions = config.n_positions
    if positions > _most_positions(precision):
        advice = _advice(positions <= _most_positions(FULL))
        raise EngineError(f"n_positions is {positions}: longer texts than the packed engine can read; {advice}")


def refuse_if_too_large(config: GPT2Config, precision: Precision, processes: int, tables: int = 1) -> None:
    """Raise EngineError, with advice, if the model needs more memory than is free.

    `tables`: 2 where lm_head is not tied to wte. Where the system does not report its free memory (macOS, Windows),
    nothing is refused.
    """
    room = available_memory()
    needed = packed_memory(config, precision, processes, tables)
    if room is None or needed <= room:
        return
    smaller = packed_memory(config, with_wider(FAST)[-1], processes, tables)  # they are compared
    advice = "close other programs, or choose a smaller model"
    if precision is FULL and smaller <= room:
        advice = f"--precision fast needs {smaller / 1e9:.1f} GB"
    raise EngineError(
        f"the packed model needs {needed / 1e9:.1f} GB of memory and {room / 1e9:.1f} GB are free; {advice}"
    )


def packed_memory(config: GPT2Config, precision: Precision, processes: int, tables: int = 1) -> int:
    """Return about how many bytes all processes of a packed model take together, at full context."""
    channels, vocabulary = config.n_embd, config.vocab_size
    linear = config.n_layer * channels * (4 * channels + 2 * config.feed_forward_width)
    size = (linear + vocabulary * channels) * _bytes(precision.weights[-1])  # the widest
    if precision.pruning:
        size += vocabulary * channels * _bytes(precision.pruning)
    size += channels * (tables * vocabulary + config.n_positions) * _PER_WEIGHT
    size += 2 * config.n_layer * config.n_positions * channels * _bytes(precision.attention)
    return int(size) + processes * _PER_PROCESS


def _bytes(lanes: Lanes) -> float:
    return lanes.width * _PER_DIGIT * _GROUPS


def _most_groups(precision: Precision) -> int:
    return 1 << precision.weights[0].width


def _most_positions(precision: Precision) -> int:
    lanes = precision.attention
    return 1 << (lanes.width - 1 - lanes.weight_bits)


def _advice(full_has_room: bool) -> str:
    return "use --precision full" if full_has_room else "use --engine reference"
