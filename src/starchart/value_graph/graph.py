"""The graph of values: for every name of docs/NAMES.md the operation that makes it and what goes in.

    graph = value_graph(gpt2.config)
    graph["h.0.attn.scores"].inputs          # ("h.0.attn.q", "h.0.attn.k")
    graph["h.0.attn.scores"].compute(run)    # what the reference engine computes from the inputs in `run`

The names are in the order of a run. The order of `transformer_block` and its parts is written a second time here; a
test holds it against a run.
"""

from collections.abc import Iterator

from starchart.model.config import GPT2Config
from starchart.value_graph.activation_operation import activation
from starchart.value_graph.normalising_operations import LAYER_NORM, PATTERN
from starchart.value_graph.operation import Value
from starchart.value_graph.plain_operations import ADD, EMBED, HEADS, SAME
from starchart.value_graph.product_operations import LINEAR, LINEAR_OF_HEADS, MIX, PROJECT, SCORES

_CHANNELS, _PER_HEAD, _PER_PAIR = ("T", "C"), ("H", "T", "D"), ("H", "T", "S")
_PARTS = (("q", "queries"), ("k", "keys of the new tokens"), ("v", "values of the new tokens"))


def value_graph(config: GPT2Config, *, untied: bool = False) -> dict[str, Value]:
    """Return every value of a run by its name, in the order of the run. An `untied` model has an lm_head."""
    return {value.name: value for value in _values(config, untied)}


def _values(config: GPT2Config, untied: bool) -> Iterator[Value]:
    yield Value("wte", _CHANNELS, "token embeddings", EMBED, weights=("wte.weight",))
    yield Value("wpe", _CHANNELS, "position embeddings", EMBED, weights=("wpe.weight",))
    for n in range(config.n_layer):
        yield from _block(config, n)
    last = f"h.{config.n_layer - 1}.resid_post"
    text = "the residual stream after the last block, normalised"
    yield _normalised("ln_f", text, last, config)
    table = "lm_head.weight" if untied else "wte.weight"
    yield Value("logits", ("T", "V"), "scores of the next token", PROJECT, ("ln_f",), (table,))


def _block(config: GPT2Config, n: int) -> Iterator[Value]:
    h = f"h.{n}."
    text = f"the residual stream before block {n}"
    if n:
        yield Value(f"{h}resid_pre", _CHANNELS, text, SAME, (f"h.{n - 1}.resid_post",))
    else:
        yield Value(f"{h}resid_pre", _CHANNELS, text, ADD, ("wte", "wpe"))
    yield _normalised(f"{h}ln_1", "normalised, for attention", f"{h}resid_pre", config)
    yield from _attention(config, n)
    text = "the residual stream between attention and feed-forward"
    yield Value(f"{h}resid_mid", _CHANNELS, text, ADD, (f"{h}resid_pre", f"{h}attn.c_proj"))
    yield _normalised(f"{h}ln_2", "normalised, for the feed-forward network", f"{h}resid_mid", config)
    text = "before the activation function"
    yield Value(f"{h}mlp.c_fc", ("T", "F"), text, LINEAR, (f"{h}ln_2",), _weights(f"{h}mlp.c_fc"))
    name = config.activation_function
    text = "after the activation function"
    yield Value(f"{h}mlp.act", ("T", "F"), text, activation(name), (f"{h}mlp.c_fc",), setting=name)
    text = "what the feed-forward network adds to the residual stream"
    yield Value(f"{h}mlp.c_proj", _CHANNELS, text, LINEAR, (f"{h}mlp.act",), _weights(f"{h}mlp.c_proj"))
    text = f"the residual stream after block {n}"
    yield Value(f"{h}resid_post", _CHANNELS, text, ADD, (f"{h}resid_mid", f"{h}mlp.c_proj"))


def _attention(config: GPT2Config, n: int) -> Iterator[Value]:
    a = f"h.{n}.attn."
    text = "queries, keys and values side by side"
    yield Value(f"{a}c_attn", ("T", "3C"), text, LINEAR, (f"h.{n}.ln_1",), _weights(f"{a}c_attn"))
    for part, (letter, text) in enumerate(_PARTS):
        yield Value(f"{a}{letter}", _PER_HEAD, text, HEADS, (f"{a}c_attn",), setting=(part, config.n_head))
    text = "queries times keys, scaled, before the mask"
    yield Value(f"{a}scores", _PER_PAIR, text, SCORES, (f"{a}q", f"{a}k"), setting=config.attention_scale(n))
    text = "attention weights: how much each token takes from each"
    yield Value(f"{a}pattern", _PER_PAIR, text, PATTERN, (f"{a}scores",))
    yield Value(f"{a}z", _PER_HEAD, "the output of each head", MIX, (f"{a}pattern", f"{a}v"))
    text = "what attention adds to the residual stream"
    yield Value(f"{a}c_proj", _CHANNELS, text, LINEAR_OF_HEADS, (f"{a}z",), _weights(f"{a}c_proj"))


def _normalised(name: str, text: str, stream: str, config: GPT2Config) -> Value:
    return Value(name, _CHANNELS, text, LAYER_NORM, (stream,), _weights(name), config.layer_norm_epsilon)


def _weights(layer: str) -> tuple[str, str]:
    return f"{layer}.weight", f"{layer}.bias"
