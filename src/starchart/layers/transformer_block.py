"""Transformer block: attention, then feed-forward, each added to the residual stream.

    x = x + attention(ln_1(x));    x = x + feed_forward(ln_2(x))

GPT-2 normalises before each sub-layer (the first transformer: after). Source: Radford et al. 2019, section 2.3.
"""

from dataclasses import dataclass

from starchart.engine import Array, Engine, LayerCache
from starchart.layers.feed_forward import FeedForwardWeights, feed_forward
from starchart.layers.multi_head_attention import AttentionWeights, multi_head_attention
from starchart.tap import Tap, under
from starchart.utils.layer_norm import LayerNormWeights


@dataclass(frozen=True)
class TransformerBlockWeights:
    """The four parts of a block, named as in the checkpoint."""

    ln_1: LayerNormWeights
    attn: AttentionWeights
    ln_2: LayerNormWeights
    mlp: FeedForwardWeights


@dataclass(frozen=True)
class TransformerBlockSettings:
    """What a block needs besides its weights."""

    n_head: int
    attention_scale: float
    activation: str
    layer_norm_epsilon: float


def transformer_block(
    x: Array,
    weights: TransformerBlockWeights,
    cache: LayerCache,
    settings: TransformerBlockSettings,
    ops: Engine,
    tap: Tap,
) -> tuple[Array, LayerCache]:  # [T][C] -> [T][C]
    """Return the residual stream after this block, and the block's cache with the T tokens in it."""
    w, s = weights, settings
    x = tap("resid_pre", x)
    normed = tap("ln_1", ops.layer_norm(x, w.ln_1.weight, w.ln_1.bias, s.layer_norm_epsilon))
    attended, cache = multi_head_attention(normed, w.attn, cache, s.n_head, s.attention_scale, ops, under(tap, "attn."))
    x = tap("resid_mid", ops.add(x, attended))
    normed = tap("ln_2", ops.layer_norm(x, w.ln_2.weight, w.ln_2.bias, s.layer_norm_epsilon))
    x = ops.add(x, feed_forward(normed, w.mlp, s.activation, ops, under(tap, "mlp.")))
    return tap("resid_post", x), cache
