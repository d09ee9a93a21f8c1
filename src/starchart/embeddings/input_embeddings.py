"""The input of the first block: token embedding plus position embedding.

    x_t = wte[id_t] + wpe[position_t]

Source: Radford et al. 2018, section 3.1, equation 2 (h_0 = U W_e + W_p).
"""

from collections.abc import Sequence

from starchart.embeddings.embedding_lookup import EmbeddingWeights
from starchart.engine import Array, Engine
from starchart.tap import Tap


def input_embeddings(
    ids: Sequence[int], first_position: int, wte: EmbeddingWeights, wpe: EmbeddingWeights, ops: Engine, tap: Tap
) -> Array:  # [T] -> [T][C]
    """Return the sum of token and position embeddings of T tokens, the first of them at `first_position`."""
    positions = range(first_position, first_position + len(ids))
    tokens = tap("wte", ops.embed(ids, wte.weight))
    places = tap("wpe", ops.embed(positions, wpe.weight))
    return ops.add(tokens, places)
