"""GPT-2: from token ids to the logits of the token that comes next.

    x = wte[ids] + wpe[positions];    x = blocks(x);    logits = ln_f(x) wte^T

Source: Radford et al. 2018, section 3.1, equation 2; Radford et al. 2019, section 2.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from starchart.embeddings.embedding_lookup import EmbeddingWeights
from starchart.embeddings.input_embeddings import input_embeddings
from starchart.engine import Array, Engine
from starchart.layers.transformer_block import TransformerBlockWeights
from starchart.model.cache import Cache
from starchart.model.config import GPT2Config
from starchart.model.gpt_decoder import gpt_decoder
from starchart.tap import Tap, no_tap, same_shape
from starchart.utils.layer_norm import LayerNormWeights


@dataclass(frozen=True)
class GPTModelWeights:
    """Every tensor of a GPT-2. The fields are the names in the file, the annotations their shapes.

    V vocabulary, P positions, C channels, F feed-forward width, L blocks.
    """

    wte: Annotated[EmbeddingWeights, "V"]
    wpe: Annotated[EmbeddingWeights, "P"]
    h: Annotated[tuple[TransformerBlockWeights, ...], "L"]
    ln_f: LayerNormWeights
    lm_head: Annotated[EmbeddingWeights | None, "V"] = None  # only where the head is not tied to wte


def gpt_model(
    ids: Sequence[int],
    weights: GPTModelWeights,
    cache: Cache,
    config: GPT2Config,
    ops: Engine,
    tap: Tap = no_tap,
    last_only: bool = False,
) -> tuple[Array, Cache]:  # [T] -> [T][V], or [1][V] with last_only
    """Read T new tokens after those in `cache`. Return the logits after each, and the cache with the new tokens in it.

    `weights` are as `ops.prepare` returned them. S = cache.length + T must not exceed n_positions.
    """
    tap = _in_lists(tap, ops)
    x = input_embeddings(ids, cache.length, weights.wte, weights.wpe, ops, tap)
    x, layers = gpt_decoder(x, weights.h, cache.layers, config, ops, tap)
    return read_out(x, weights, config, ops, tap, last_only), Cache(cache.length + len(ids), layers)


def read_out(
    x: Array, weights: GPTModelWeights, config: GPT2Config, ops: Engine, tap: Tap, last_only: bool
) -> Array:  # [T][C] -> [T][V], or [1][V] with last_only
    """Return the logits that the residual stream after the last block gives."""
    x = tap("ln_f", ops.layer_norm(x, weights.ln_f.weight, weights.ln_f.bias, config.layer_norm_epsilon))
    return tap("logits", ops.output_projection(x, (weights.lm_head or weights.wte).weight, last_only))


def _in_lists(tap: Tap, ops: Engine) -> Tap:
    """Return a tap that shows the values of any engine as lists of floats."""
    if tap is no_tap:
        return no_tap
    checked = same_shape(tap)
    return lambda name, value: ops.from_lists(checked(name, ops.to_lists(value)))
