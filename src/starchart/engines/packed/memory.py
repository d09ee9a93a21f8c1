"""How much memory a packed model takes, and a refusal before there is too little of it."""

from starchart.engines.packed.packed_matrix import Lanes
from starchart.engines.packed.precision import FAST, FULL, Precision
from starchart.engines.processors import available_memory
from starchart.errors import EngineError
from starchart.model.config import GPT2Config

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
