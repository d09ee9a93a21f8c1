"""The graph of values, held against runs of the reference engine: names, order, every value and every worked number."""

from itertools import product as places
from math import isinf, isnan
from random import Random

import pytest

from starchart import GPT2
from starchart.model.config import GPT2Config
from starchart.tap import Recording
from starchart.utils.activations import ACTIVATIONS
from starchart.value_graph.graph import value_graph
from starchart.value_graph.run import Run
from starchart.value_graph.worked import RULES, shortened
from tests.tiny_model import write_tiny_model

OLD, NEW = [1, 260, 7], [5, 5, 200, 31, 90]
MODELS = {
    "plain": {},
    "one head, untied": {"n_head": 1, "tie_word_embeddings": False, "n_layer": 1},
    "every layer scaled": {"scale_attn_by_inverse_layer_idx": True, "n_inner": 17, "n_layer": 3},
    "no scale": {"scale_attn_weights": False},
    **{name: {"activation_function": name, "n_layer": 1} for name in ACTIVATIONS},
}


def bits(value):
    """Return nested lists with the bits of every float, so that -0.0 and 0.0 differ."""
    return [bits(part) for part in value] if hasattr(value, "__len__") else float(value).hex()


def run_of(folder, before, ids, last_only=False):
    """Return the graph of a model and what a run of `ids` after the tokens of `before` had."""
    with GPT2.from_pretrained(folder) as gpt2:
        past, cache, recording = {}, None, Recording()
        for token in before:  # one by one: the cache of three steps
            step = Recording("h.*.attn.k", "h.*.attn.v")
            _, cache = gpt2.read([token], cache, tap=step)
            for name, heads in step.items():
                past[name] = [[*old, *new] for old, new in zip(past.get(name, [[]] * len(heads)), heads, strict=True)]
        gpt2.read(ids, cache, last_only=last_only, tap=recording)
        graph = value_graph(gpt2.config, untied="lm_head.weight" in gpt2.weights)
        return graph, Run(ids, recording, dict(gpt2.weights), past, len(before), last_only)


@pytest.fixture(scope="module", params=MODELS)
def model(request, tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model"), seed=3, **MODELS[request.param])


@pytest.fixture(
    scope="module", params=[([], NEW, False), (OLD, NEW, False), (OLD, [9], True)], ids=["prompt", "cached", "step"]
)
def graph_and_run(request, model):
    return run_of(model, *request.param)


def test_names_and_order_are_those_of_the_run(graph_and_run):
    graph, run = graph_and_run
    assert list(graph) == list(run.values)
    seen = set()
    for name, value in graph.items():
        assert set(value.inputs) <= seen, name
        assert set(value.weights) <= set(run.weights), name
        seen.add(name)


def test_every_weight_goes_into_something(graph_and_run):
    graph, run = graph_and_run
    assert {weight for value in graph.values() for weight in value.weights} == set(run.weights)


def test_every_value_is_its_operation_of_its_inputs(graph_and_run):
    graph, run = graph_and_run
    for name, value in graph.items():
        inputs = {other: run.values[other] for other in value.inputs}  # nothing else may be looked at
        weights = {other: run.weights[other] for other in value.weights}
        found = value.compute(Run(run.ids, inputs, weights, run.past, run.first_position, run.last_only))
        assert bits(found) == bits(run.values[name]), name


def shape(value):
    return [len(value), *shape(value[0])] if hasattr(value, "__len__") else []


def some_indices(sizes, seed):
    """Return all indices of a small value and 150 of a large one, the first and the last among them."""
    every = [*places(*map(range, sizes))]
    return every if len(every) <= 200 else [every[0], every[-1], *Random(seed).sample(every, 150)]


def number(values, index):
    for place in index:
        values = values[place]
    return values


def check_operand(operand, lines, run):
    """An operand is what its name and index, its factors or its line say."""
    if operand.name:
        source = run.weights if operand.name in run.weights else run.values
        assert number(source[operand.name], operand.index) == operand.value
    if operand.factors:
        a, b = operand.factors
        assert a.value * b.value == operand.value
        check_operand(a, lines, run)
        check_operand(b, lines, run)
    if operand.line is not None:
        assert lines[operand.line].value == operand.value


def test_every_worked_number_is_the_number(graph_and_run):
    graph, run = graph_and_run
    for name, value in graph.items():
        for index in some_indices(shape(run.values[name]), name):
            lines = value.work(index, run)
            assert bits(lines[-1].value) == bits(number(run.values[name], index)), (name, index)
            for step in lines:
                for operand in step.operands:
                    check_operand(operand, lines, run)


def test_largest_terms_and_the_rest_give_the_same_bits(graph_and_run):
    graph, run = graph_and_run
    shown = 0
    for name, value in graph.items():
        for index in some_indices(shape(run.values[name]), name)[:20]:
            for step in value.work(index, run):
                short = shortened(step, 3)
                values = [*(operand.value for operand in short.operands), *short.rest]
                count = len(short.operands) + short.left_out
                if short.rule != "masked":
                    assert bits(RULES[short.rule](values, count)) == bits(step.value), (name, index, step.label)
                assert count == len(step.operands)
                shown += bool(short.rest)
                if short.rest:
                    least = min(abs(operand.value) for operand in short.operands)
                    left = sorted(abs(operand.value) for operand in step.operands)[: short.left_out]
                    assert left[-1] <= least
    assert shown


def test_worked_numbers_keep_what_no_number_has():
    """A huge weight overflows: the story ends in the nan or infinity that the engine computes."""
    value = value_graph(GPT2Config(n_layer=1, n_embd=2, n_head=1))["logits"]
    run = Run([0], {"ln_f": [[1e200, -1e200]]}, {"wte.weight": [[1e200, 1e200]]})
    (last,) = value.work((0, 0), run)
    assert isnan(last.value)
    assert isnan(value.compute(run)[0][0])
    assert isinf(shortened(last, 1).operands[0].value)
