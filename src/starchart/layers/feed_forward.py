"""Feed-forward network: each token by itself, from C channels to the F channels of a wider layer and back.

    FFN(x) = activation(x c_fc) c_proj

Source: Vaswani et al. 2017, section 3.3; GPT-2's activation is GELU (Hendrycks and Gimpel 2016) in its tanh form.
"""

from dataclasses import dataclass
from typing import Annotated

from starchart.engine import Array, Engine
from starchart.layers.linear_layer import LinearWeights
from starchart.tap import Tap


@dataclass(frozen=True)
class FeedForwardWeights:
    """The layer from C to F channels and the one back."""

    c_fc: Annotated[LinearWeights, "C", "F"]
    c_proj: Annotated[LinearWeights, "F", "C"]


def feed_forward(
    x: Array, weights: FeedForwardWeights, activation: str, ops: Engine, tap: Tap
) -> Array:  # [T][C] -> [T][C]
    """Return the network's output for each token."""
    hidden = tap("c_fc", ops.linear(x, weights.c_fc.weight, weights.c_fc.bias))  # [T][F]
    active = tap("act", ops.activation(hidden, activation))
    return tap("c_proj", ops.linear(active, weights.c_proj.weight, weights.c_proj.bias))
