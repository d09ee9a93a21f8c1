"""The two precisions of the packed engine: how wide the lanes are, and how many bits a weight has."""

from dataclasses import dataclass

from starchart.engines.packed.packed_matrix import Lanes


@dataclass(frozen=True)
class Precision:
    """Lanes for the matrices, for keys and values, and for a first look at the logits, where that pays."""

    weights: Lanes
    attention: Lanes
    screen: Lanes | None


FULL = Precision(weights=Lanes(52, 25), attention=Lanes(64, 27), screen=Lanes(24, 10))
FAST = Precision(weights=Lanes(20, 8), attention=Lanes(32, 13), screen=None)
