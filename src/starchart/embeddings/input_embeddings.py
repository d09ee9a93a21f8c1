"""The input of the first block: what the token is, plus where it stands.

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
    """Return the sum of token and position embeddings of T tokens that stand at `first_position` and after."""
    positions = range(first_position, first_position + len(ids))
    tokens = tap("wte", ops.embed(ids, wte.weight))
    places = tap("wpe", ops.embed(positions, wpe.weight))
    return ops.add(tokens, places)
