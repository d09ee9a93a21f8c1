"""Replace every matrix of a model by what an engine stores instead."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

from starchart.embeddings.embedding_lookup import EmbeddingWeights
from starchart.layers.feed_forward import FeedForwardWeights
from starchart.layers.linear_layer import LinearWeights
from starchart.layers.multi_head_attention import AttentionWeights
from starchart.model.gpt_model import GPTModelWeights

Layout: TypeAlias = Callable[[str, Any], Any]  # name of a layer or table, its matrix -> the replacement


def lay_out_matrices(weights: GPTModelWeights, linear: Layout, table: Layout) -> GPTModelWeights:
    """Return the weights with every matrix replaced.

    linear(name, matrix) replaces the matrix [in][out] of a linear layer, table(name, matrix) the tables [rows][C] wte,
    wpe and lm_head. They are called in the order in which the model uses the matrices.
    """

    def layer(name: str, weights: LinearWeights) -> LinearWeights:
        return replace(weights, weight=linear(name, weights.weight))

    def rows(name: str, weights: EmbeddingWeights) -> EmbeddingWeights:
        return EmbeddingWeights(table(name, weights.weight))

    wte, wpe = rows("wte", weights.wte), rows("wpe", weights.wpe)
    blocks = []
    for n, block in enumerate(weights.h):
        attn, mlp = block.attn, block.mlp
        attn = AttentionWeights(layer(f"h.{n}.attn.c_attn", attn.c_attn), layer(f"h.{n}.attn.c_proj", attn.c_proj))
        mlp = FeedForwardWeights(layer(f"h.{n}.mlp.c_fc", mlp.c_fc), layer(f"h.{n}.mlp.c_proj", mlp.c_proj))
        blocks.append(replace(block, attn=attn, mlp=mlp))
    head = weights.lm_head and rows("lm_head", weights.lm_head)
    return replace(weights, wte=wte, wpe=wpe, h=tuple(blocks), lm_head=head)


def linear_layers(weights: GPTModelWeights) -> Iterator[tuple[str, LinearWeights]]:
    """Yield every linear layer with its name, in the order in which the model uses them."""
    for n, block in enumerate(weights.h):
        yield f"h.{n}.attn.c_attn", block.attn.c_attn
        yield f"h.{n}.attn.c_proj", block.attn.c_proj
        yield f"h.{n}.mlp.c_fc", block.mlp.c_fc
        yield f"h.{n}.mlp.c_proj", block.mlp.c_proj
