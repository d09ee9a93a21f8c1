"""Laying out the linear layers of a model: each matrix is replaced by what an engine wants instead."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starchart.errors import ConsumedWeightsError
from starchart.layers.feed_forward import FeedForwardWeights
from starchart.layers.linear_layer import LinearWeights
from starchart.layers.multi_head_attention import AttentionWeights
from starchart.model.gpt_model import GPTModelWeights
from starchart.utils.matrix import Matrix

Layout = Callable[[Matrix], Any]


def lay_out_linear_layers(weights: GPTModelWeights, layout: Layout) -> GPTModelWeights:
    """Return the weights with layout(matrix) in the place of each linear layer's matrix [in][out].

    The given ones are used up: each list of rows is emptied once it is laid out, so that one matrix at a time is in
    memory twice, and not all of them. Raises ConsumedWeightsError the second time.
    """
    blocks = []
    for block in weights.h:
        attn = AttentionWeights(_laid_out(block.attn.c_attn, layout), _laid_out(block.attn.c_proj, layout))
        mlp = FeedForwardWeights(_laid_out(block.mlp.c_fc, layout), _laid_out(block.mlp.c_proj, layout))
        blocks.append(replace(block, attn=attn, mlp=mlp))
    return replace(weights, h=tuple(blocks))


def _laid_out(linear: LinearWeights, layout: Layout) -> LinearWeights:
    rows = linear.weight
    if not rows:
        raise ConsumedWeightsError("these weights were prepared already; load them again for another model")
    laid_out = layout(rows)
    if isinstance(rows, list):
        rows.clear()
    return replace(linear, weight=laid_out)
