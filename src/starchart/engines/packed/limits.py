"""How large a model may be: what the lanes have room for."""

from collections.abc import Iterable

from starchart.engines.packed.precision import FULL, Precision
from starchart.engines.packed.slices import SliceRange
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
