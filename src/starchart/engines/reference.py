"""The reference engine: plain lists of floats and correctly rounded sums. Slow, short, the measure of all others.

It is a list of names: each operation is the leaf function that a reader finds in its room.
"""

from typing import Any

from starchart.embeddings.embedding_lookup import embed
from starchart.embeddings.output_projection import output_projection
from starchart.engines.layout import lay_out_linear_layers
from starchart.layers.attend import attend
from starchart.layers.key_value_cache import fork, new_cache
from starchart.layers.linear_layer import linear_layer_transposed as linear
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starchart.utils.activations import activate as activation
from starchart.utils.add_matrices import add_matrices as add
from starchart.utils.layer_norm import layer_norm
from starchart.utils.transpose_matrix import transpose_weights

__all__ = [
    "activation",
    "add",
    "attend",
    "close",
    "embed",
    "fork",
    "from_lists",
    "layer_norm",
    "linear",
    "new_cache",
    "output_projection",
    "prepare",
    "to_lists",
]


def prepare(weights: GPTModelWeights, config: GPT2Config) -> GPTModelWeights:
    """Return the weights with every linear layer laid out by columns, so that each output is one dot product.

    The given ones are used up. Raises ConsumedWeightsError the second time.
    """
    return lay_out_linear_layers(weights, transpose_weights)


def to_lists(array: Any) -> Any:
    """Return `array`: it is made of lists already."""
    return array


from_lists = to_lists


def close() -> None:
    """Nothing to give back."""
