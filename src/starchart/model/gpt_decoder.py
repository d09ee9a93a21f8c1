"""The decoder: n_layer transformer blocks, one after another.

Source: Radford et al. 2018, section 3.1, equation 2 (h_l = transformer_block(h_{l-1})).
"""

from collections.abc import Sequence

from starchart.engine import Array, Engine, LayerCache
from starchart.layers.transformer_block import TransformerBlockSettings, TransformerBlockWeights, transformer_block
from starchart.model.config import GPT2Config
from starchart.tap import Tap, under


def gpt_decoder(
    x: Array,
    blocks: Sequence[TransformerBlockWeights],
    caches: Sequence[LayerCache],
    config: GPT2Config,
    ops: Engine,
    tap: Tap,
) -> tuple[Array, tuple[LayerCache, ...]]:  # [T][C] -> [T][C]
    """Return the residual stream after the last block, and the caches of all blocks with the T tokens in them."""
    new_caches = []
    for n, (weights, cache) in enumerate(zip(blocks, caches, strict=True)):
        x, cache = transformer_block(x, weights, cache, block_settings(config, n), ops, under(tap, f"h.{n}."))
        new_caches.append(cache)
    return x, tuple(new_caches)


def block_settings(config: GPT2Config, n: int) -> TransformerBlockSettings:
    """Return what block n (from 0) takes from the configuration."""
    return TransformerBlockSettings(
        config.n_head, config.attention_scale(n), config.activation_function, config.layer_norm_epsilon
    )
