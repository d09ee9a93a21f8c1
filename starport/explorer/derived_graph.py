"""The names of all derived values of a model, and how each is made. README.md lists them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from starchart.lens.contributions import contributions_of, logit_direction
from starchart.lens.logit_lens import stream_points
from starchart.model.config import GPT2Config
from starchart.utils.matrix_multiply import dot_product
from starchart.utils.softmax import softmax
from starchart.value_graph.operation import Value
from starport.explorer.derived_operations import (
    DerivedOperation,
    DerivedValue,
    Work,
    bias_work,
    direction_work,
    given,
    given_work,
    head_work,
    norm,
    norm_work,
    part_work,
    probability_work,
    written_work,
)

DIRECTION = "contribution.direction"
_NORM = DerivedOperation("norm", "sqrt(sum_c x_c^2)", norm)
_GIVEN = DerivedOperation("given", "pattern_ts |v_s|", given)
_SOFTMAX = DerivedOperation("softmax", "p_v = exp(s_v - m) / sum_j exp(s_j - m), m the largest logit", softmax)
_DIRECTION = DerivedOperation("contribution", "g_c = (w_c weight_c - mean) / d", logit_direction)
_WRITTEN = DerivedOperation("contribution", "sum_c W_ic g_c", dot_product)
_PART = DerivedOperation("contribution", "sum_c u_c g_c", contributions_of)
_HEAD = DerivedOperation("contribution", "sum_d z_d written_d", contributions_of)


def derived_graph(config: GPT2Config, graph: Mapping[str, Value]) -> dict[str, DerivedValue]:
    """Return every derived value by its name."""
    return {value.name: value for value in _values(config, graph)}


def _values(config: GPT2Config, graph: Mapping[str, Value]) -> Iterator[DerivedValue]:
    for name, value in graph.items():
        if value.shape == ("T", "C"):
            yield DerivedValue(f"{name}.norm", ("T",), f"the length of {name}", _NORM, norm_work(name))
    yield _probabilities("probabilities", "logits", "probability of each token to come next")
    for n in range(config.n_layer):
        a, text = f"h.{n}.attn.", "attention weight times the length of the value vector"
        yield DerivedValue(f"{a}given", ("H", "T", "S"), text, _GIVEN, given_work(a))
    for point in stream_points(config):
        yield from _lens(point, graph)
    yield from _contributions(config, graph["logits"].weights[0])


def _probabilities(name: str, logits: str, text: str) -> DerivedValue:
    return DerivedValue(name, ("T", "V"), text, _SOFTMAX, probability_work(logits))


def _lens(point: str, graph: Mapping[str, Value]) -> Iterator[DerivedValue]:
    """Yield the values of the lens at a point: ln_f of it, its logits, their probabilities."""
    normalised, logits = f"lens.{point}.normalised", f"lens.{point}.logits"
    for name, source, text, model in (
        (normalised, point, f"{point} through the last layer norm", graph["ln_f"]),
        (logits, normalised, f"logits that {point} would give", graph["logits"]),
    ):
        made = replace(model, name=name, inputs=(source,))
        operation = DerivedOperation(model.operation.name, model.operation.formula, model.operation.function)
        yield DerivedValue(name, model.shape, text, operation, made.work)
    yield _probabilities(f"lens.{point}.probabilities", logits, f"probabilities that {point} would give")


def _contributions(config: GPT2Config, table: str) -> Iterator[DerivedValue]:
    stream = f"h.{config.n_layer - 1}.resid_post"
    text = "by how much each channel of the residual stream raises a logit"
    work = direction_work(table, stream, config.layer_norm_epsilon)
    yield DerivedValue(DIRECTION, ("T", "V", "C"), text, _DIRECTION, work)
    for part in ("wte", "wpe"):
        yield _part(part, f"what {part} adds to a logit", part_work(part, DIRECTION, is_weight=False))
    for n in range(config.n_layer):
        a = f"h.{n}.attn."
        weight, bias, network = f"{a}c_proj.weight", f"{a}c_proj.bias", f"h.{n}.mlp.c_proj"
        written, text = f"contribution.{weight}", "by how much each channel of the joined heads raises a logit"
        yield DerivedValue(written, ("T", "V", "C"), text, _WRITTEN, written_work(weight, DIRECTION))
        work = head_work(f"{a}z", written)
        yield DerivedValue(f"contribution.{a}z", ("H", "T", "V"), "what a head adds to a logit", _HEAD, work)
        yield _part(bias, "what the bias of attention adds to a logit", part_work(bias, DIRECTION, is_weight=True))
        text = "what the feed-forward network adds to a logit, its bias included"
        yield _part(network, text, part_work(network, DIRECTION, is_weight=False))
    yield _part("ln_f.bias", "what the bias of ln_f adds to a logit", bias_work(table))


def _part(part: str, text: str, work: Work) -> DerivedValue:
    return DerivedValue(f"contribution.{part}", ("T", "V"), text, _PART, work)
