"""The reference engine: lists of floats and correctly rounded sums. Slow and short; others are compared with it.

It is a list of imports: each operation is the function of the same name in utils, embeddings or layers.
"""

from collections.abc import Sequence
from typing import Any

from starchart.checkpoints.stored_tensor import rows_of
from starchart.embeddings.embedding_lookup import embed
from starchart.embeddings.output_projection import output_projection
from starchart.engines.layout import lay_out_matrices
from starchart.layers.key_value_cache import fork, new_cache
from starchart.layers.linear_layer import linear_layer as linear
from starchart.layers.scaled_dot_product_attention import attend
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starchart.utils.activations import activate as activation
from starchart.utils.add_matrices import add_matrices as add
from starchart.utils.layer_norm import layer_norm
from starchart.utils.log_softmax import log_probability
from starchart.utils.matrix import Matrix, Vector

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
    "log_probabilities",
    "new_cache",
    "output_projection",
    "prepare",
    "to_lists",
    "top_logits",
]


def prepare(weights: GPTModelWeights, config: GPT2Config) -> GPTModelWeights:
    """Return the weights with every matrix read. Raises CheckpointError for numbers that cannot be weights."""
    return lay_out_matrices(weights, lambda _, matrix: rows_of(matrix), lambda _, table: rows_of(table))


def top_logits(logits: Matrix, count: int) -> Vector:  # [T][V] -> [V]
    """Return the last row, with every logit."""
    return logits[-1]


def log_probabilities(logits: Matrix, ids: Sequence[int]) -> list[float]:  # [T][V], [T] -> [T]
    """Return the log-probability of each of `ids` in its row."""
    return [log_probability(row, token) for row, token in zip(logits, ids, strict=True)]


def to_lists(array: Any) -> Any:
    """Return `array`, which consists of lists already."""
    return array


from_lists = to_lists


def close() -> None:
    """Do nothing: this engine has no processes to end."""
