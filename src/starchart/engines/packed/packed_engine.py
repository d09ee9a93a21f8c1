"""The packed engine: every matrix in lanes, everything between them as in the reference engine."""

from dataclasses import replace
from operator import add as add_numbers
from typing import Any

from starchart.embeddings.embedding_lookup import EmbeddingWeights
from starchart.engines import reference
from starchart.engines.layout import lay_out_linear_layers
from starchart.engines.packed.attention_cache import AttentionCache, HeadCache
from starchart.engines.packed.packed_matrix import Lanes, PackedMatrix, multiply, pack_matrix
from starchart.layers.attention_heads import join_heads, split_heads
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starchart.tap import Tap
from starchart.utils.masked_softmax import masked_softmax
from starchart.utils.matrix import Matrix, Vector
from starchart.utils.transpose_matrix import transpose_weights

FULL = Lanes(60, 26)
FAST = Lanes(30, 12)


class PackedEngine:
    """The operations of `starchart.engine.Engine` over big integers: plain lists in, plain lists out."""

    embed = staticmethod(reference.embed)
    add = staticmethod(reference.add)
    layer_norm = staticmethod(reference.layer_norm)
    activation = staticmethod(reference.activation)
    to_lists = staticmethod(reference.to_lists)
    from_lists = staticmethod(reference.from_lists)
    close = staticmethod(reference.close)

    def __init__(self, lanes: Lanes = FULL) -> None:
        self._lanes = lanes

    def prepare(self, weights: GPTModelWeights, config: GPT2Config) -> Any:
        """Return the weights with every matrix packed; the head becomes a matrix [C][V] of its own.

        The given ones are used up, as the reference engine's are. Raises ConsumedWeightsError the second time.
        """
        head: Any = pack_matrix(transpose_weights((weights.lm_head or weights.wte).weight), self._lanes)
        packed = lay_out_linear_layers(weights, lambda rows: pack_matrix(rows, self._lanes))
        return replace(packed, lm_head=EmbeddingWeights(head))

    def linear(self, x: Matrix, weight: PackedMatrix, bias: Vector) -> list[list[float]]:  # [T][in] -> [T][out]
        """Return x W + bias."""
        return [list(map(add_numbers, multiply(row, weight), bias)) for row in x]

    def attend(
        self, qkv: Matrix, cache: AttentionCache, n_head: int, scale: float, tap: Tap
    ) -> tuple[list[list[float]], AttentionCache]:  # [T][3C] -> [T][C]
        """Return causal attention, heads joined, and the cache with the new tokens in it."""
        parts = split_heads(qkv, 3 * n_head)
        queries = tap("q", parts[:n_head])
        keys = tap("k", parts[n_head : 2 * n_head])
        values = tap("v", parts[2 * n_head :])
        heads = cache.take()
        for head, new_keys, new_values in zip(heads, keys, values, strict=True):
            for key, value in zip(new_keys, new_values, strict=True):
                head.append(key, value)
        scores = tap(
            "scores", [[head.scores(q, scale) for q in rows] for head, rows in zip(heads, queries, strict=True)]
        )
        pattern = tap("pattern", [masked_softmax(rows) for rows in scores])
        z = tap("z", [[head.mix(row) for row in rows] for head, rows in zip(heads, pattern, strict=True)])
        return join_heads(z), AttentionCache(heads)

    def output_projection(
        self, x: Matrix, table: PackedMatrix, last_only: bool
    ) -> list[list[float]]:  # [T][C] -> [T][V]
        """Return the logits."""
        return [multiply(row, table) for row in (x[-1:] if last_only else x)]

    def new_cache(self, n_head: int) -> AttentionCache:
        """Return the cache of a block that has seen nothing."""
        return AttentionCache([HeadCache(self._lanes) for _ in range(n_head)])

    def fork(self, cache: AttentionCache) -> AttentionCache:
        """Return a copy of a cache."""
        return AttentionCache([head.copy() for head in cache.heads])
