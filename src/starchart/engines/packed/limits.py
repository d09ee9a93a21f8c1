"""How large a model may be: what the lanes have room for."""

from collections.abc import Iterable

from starchart.engines.packed.packed_matrix import Lanes
from starchart.engines.packed.slices import SliceRange
from starchart.errors import EngineError
from starchart.model.config import GPT2Config


def refuse_too_many_rows(layers: Iterable[str], slices: SliceRange, lanes: Lanes) -> None:
    """Raise EngineError for a layer with more than 2^L groups of rows: the room of two lanes ends there."""
    for name in layers:
        if len(slices.sizes(name)) > 1 << lanes.width:
            raise EngineError(f"{name}: it has more rows than the packed engine can add up; use --engine reference")


def refuse_too_many_positions(config: GPT2Config, lanes: Lanes) -> None:
    """Raise EngineError where a pattern may be so long that its roundings alone, 1/2 each, fill a lane."""
    if config.n_positions > 1 << (lanes.width - 1 - lanes.weight_bits):
        raise EngineError(
            f"n_positions is {config.n_positions}: longer texts than the packed engine can read; use --engine reference"
        )
