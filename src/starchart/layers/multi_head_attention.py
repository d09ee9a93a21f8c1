"""Multi-head attention: H heads attend in parallel, and c_proj mixes their results.

    qkv = x c_attn;    MultiHead(x) = (head_0 | ... | head_{H-1}) c_proj

GPT-2 computes queries, keys and values of all heads in one product. Source: Vaswani et al. 2017, section 3.2.2.
"""

from dataclasses import dataclass
from typing import Annotated

from starchart.engine import Array, Engine, LayerCache
from starchart.layers.linear_layer import LinearWeights
from starchart.tap import Tap


@dataclass(frozen=True)
class AttentionWeights:
    """c_attn makes queries, keys and values of all heads, in this order; c_proj mixes the heads."""

    c_attn: Annotated[LinearWeights, "C", "3C"]
    c_proj: Annotated[LinearWeights, "C", "C"]


def multi_head_attention(
    x: Array, weights: AttentionWeights, cache: LayerCache, n_head: int, scale: float, ops: Engine, tap: Tap
) -> tuple[Array, LayerCache]:  # [T][C] -> [T][C]
    """Return the result of attention for each of T tokens, and the cache with those tokens in it."""
    qkv = tap("c_attn", ops.linear(x, weights.c_attn.weight, weights.c_attn.bias))
    heads, cache = ops.attend(qkv, cache, n_head, scale, tap)
    return tap("c_proj", ops.linear(heads, weights.c_proj.weight, weights.c_proj.bias)), cache
