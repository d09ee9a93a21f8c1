"""Attend: from the fused queries, keys and values of T new tokens to the joined heads.

One operation of the engine, so that a compiled engine can fuse it; this is the plain form.
"""

from starchart.layers.attention_heads import join_heads, split_heads
from starchart.layers.key_value_cache import KeyValueCache
from starchart.layers.scaled_dot_product_attention import scaled_dot_product_attention
from starchart.tap import Tap
from starchart.utils.matrix import Matrix


def attend(
    qkv: Matrix, cache: KeyValueCache, n_head: int, scale: float, tap: Tap
) -> tuple[list[list[float]], KeyValueCache]:  # [T][3C] -> [T][C]
    """Return the attention of T new tokens over the cache and themselves, and the cache that holds both."""
    heads = split_heads(qkv, 3 * n_head)
    queries = tap("q", heads[:n_head])
    keys = tap("k", heads[n_head : 2 * n_head])
    values = tap("v", heads[2 * n_head :])
    cache = cache.append(keys, values)
    z = scaled_dot_product_attention(queries, cache.keys, cache.values, scale, tap)
    return join_heads(tap("z", z)), cache
