"""Contributions to a logit: by how much each part of the model raises the logit of one token.

The residual stream is a sum, x = wte + wpe + heads + biases + feed-forward networks, and so is the logit, if the
deviation d of ln_f is held at its value in this run:

    logit = sum_c w_c (weight_c (x_c - mean(x)) / d + bias_c)
    contribution(u) = sum_c g_c u_c,    g_c = (w_c weight_c - mean(w weight)) / d,    u a part of x
    contribution(ln_f.bias) = sum_c w_c bias_c

w is the token's row of the table of the output projection. Head h of block N adds z_h times rows h D to (h + 1) D - 1
of c_proj. Source: Elhage et al., "A Mathematical Framework for Transformer Circuits", 2021 (direct logit attribution).
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from operator import mul
from typing import Any, NamedTuple

from starchart import GPT2
from starchart.lens.logit_lens import checked_position
from starchart.model.config import GPT2Config
from starchart.tap import Recording
from starchart.token_ids import checked_ids
from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Vector
from starchart.utils.matrix_multiply import dot_product

_PARTS = ("wte", "wpe", "h.*.attn.z", "h.*.mlp.c_proj", "h.*.resid_post")


class Contribution(NamedTuple):
    """What one part adds to the logit: the value or the weight of this name; of `h.N.attn.z` one head."""

    name: str
    head: int | None
    value: float


def contributions(
    gpt2: GPT2, ids: Sequence[int], token: int, position: int = -1
) -> list[Contribution]:  # in the order of a run
    """Return what each part of the model adds to the logit of `token` after the token at `position`.

    They add up to the logit. The feed-forward networks include their biases; the biases of attention stand alone.
    Raises RequestError for a position that is not there.
    """
    checked_ids([token], gpt2.config.vocab_size)
    position = checked_position(position, len(ids))
    recording = Recording(*_PARTS)
    gpt2.logits(ids, last_only=True, tap=recording)
    table = "lm_head.weight" if "lm_head.weight" in gpt2.weights else "wte.weight"
    return contributions_of(recording, gpt2.weights, gpt2.weights.row(table, token), gpt2.config, position)


def contributions_of(
    values: Mapping[str, Any], weights: Mapping[str, Any], row: Vector, config: GPT2Config, position: int
) -> list[Contribution]:
    """Return the contributions to a logit of a run whose values are given. `row` [C]: the token's, in the table."""
    stream = values[f"h.{config.n_layer - 1}.resid_post"][position]
    direction = logit_direction(row, weights["ln_f.weight"], stream, config.layer_norm_epsilon)
    size = config.n_embd // config.n_head
    found = [Contribution(name, None, dot_product(values[name][position], direction)) for name in ("wte", "wpe")]
    for n in range(config.n_layer):
        h = f"h.{n}."
        written = [dot_product(weight, direction) for weight in weights[f"{h}attn.c_proj.weight"]]  # [C]
        for head, rows in enumerate(values[f"{h}attn.z"]):
            value = dot_product(rows[position], written[head * size : (head + 1) * size])
            found.append(Contribution(f"{h}attn.z", head, value))
        for name, vector in (
            (f"{h}attn.c_proj.bias", weights[f"{h}attn.c_proj.bias"]),
            (f"{h}mlp.c_proj", values[f"{h}mlp.c_proj"][position]),
        ):
            found.append(Contribution(name, None, dot_product(vector, direction)))
    return [*found, Contribution("ln_f.bias", None, dot_product(row, weights["ln_f.bias"]))]


def logit_direction(row: Vector, weight: Vector, stream: Vector, epsilon: float) -> list[float]:  # [C] x 3 -> [C]
    """Return g: the contribution of a vector of the stream is its dot product with g."""
    scaled = list(map(mul, row, weight))
    mean = exact_sum(scaled) / len(scaled)
    deviation = deviation_of(stream, epsilon)
    return [(number - mean) / deviation for number in scaled]


def deviation_of(stream: Vector, epsilon: float) -> float:  # [C] -> one number
    """Return d = sqrt(variance + epsilon), as a layer norm divides by it."""
    mean = exact_sum(stream) / len(stream)
    centred = [number - mean for number in stream]
    return sqrt(dot_product(centred, centred) / len(centred) + epsilon)
