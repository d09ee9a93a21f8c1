"""The checks of the operations can fail: each operation is broken once, and its check fails."""

import math
from fractions import Fraction
from functools import partial

import mpmath
import numpy as np
import pytest

from starchart.utils.activations import ACTIVATIONS
from starport.verify import elementary_functions as elementary
from starport.verify import products
from starport.verify import row_operations as rows
from starport.verify.check import attempt
from starport.verify.comparison import Comparison, check_of
from starport.verify.named_inputs import NUMBER_SETS, ROW_SETS, numbers
from starport.verify.named_inputs import rows as named_rows
from starport.verify.truth import truth_of


@pytest.fixture(autouse=True)
def _fewer_inputs(monkeypatch):
    monkeypatch.setattr(elementary, "numbers", lambda name: numbers(name, 60))


@pytest.fixture
def _fewer_rows(monkeypatch):
    """Few rows, for broken operations only: with few rows PyTorch's largest error may be smaller by chance."""
    for module in (rows, products):
        monkeypatch.setattr(module, "rows", lambda name, count=16, **kinds: named_rows(name, count=count, **kinds))


def elementary_check(name, ours):
    function = elementary.FUNCTIONS[name]
    broken = elementary.Function(**{**vars(function), "ours": ours})
    return check_of(name, "ulp", partial(elementary.compare, broken), NUMBER_SETS, function.why)


@pytest.mark.parametrize("name", elementary.FUNCTIONS)
def test_functions_pass_and_fail_one_ulp_off(name):
    ours = elementary.FUNCTIONS[name].ours
    assert elementary_check(name, ours).passed
    if name in ("relu", "exp", "log", "log1p", "tanh", "erf"):
        assert not elementary_check(name, lambda x: math.nextafter(ours(x), math.inf)).passed


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("gelu_new", ACTIVATIONS["gelu"]),
        ("gelu", ACTIVATIONS["gelu_new"]),
        ("gelu_new", ACTIVATIONS["gelu_fast"]),
        ("gelu_fast", ACTIVATIONS["gelu_new"]),
        ("gelu_new", lambda x: 0.5 * x * (1 + math.tanh(0.7978845608028654 * (x + 0.044716 * x * x * x)))),
        ("silu", ACTIVATIONS["gelu_new"]),
        ("tanh", lambda x: math.nan),
    ],
)
def test_another_function_fails(name, ours):
    assert not elementary_check(name, ours).passed


def test_rows_pass():
    found = {check.name: check.finding for check in rows.checks() if check.passed}
    assert list(found) == ["softmax", "masked_softmax", "log_softmax", "layer_norm"]


def test_a_masked_softmax_that_is_wrong_where_softmax_is(monkeypatch):
    broken = lambda row: off_by(1e-13)(softmax(row))  # noqa: E731
    monkeypatch.setattr(rows, "softmax", broken)
    monkeypatch.setattr(
        rows,
        "masked_softmax",
        lambda scores: [
            broken(row[: len(row) - len(scores) + i + 1]) + [0.0] * (len(scores) - i - 1)
            for i, row in enumerate(scores)
        ],
    )
    check = rows.check_mask()
    assert not check.passed
    assert "from PyTorch's masked softmax" in check.finding


def off_by(relative):
    return lambda values: [value * (1.0 + relative) for value in values]


@pytest.mark.usefixtures("_fewer_rows")
@pytest.mark.parametrize(
    ("name", "function", "broken"),
    [
        ("softmax", "softmax", lambda row: off_by(1e-14)(softmax(row))),
        (
            "softmax",
            "softmax",
            lambda row: [math.exp(min(x, 700)) / math.fsum(math.exp(min(y, 700)) for y in row) for x in row],
        ),
        ("masked_softmax", "masked_softmax", lambda scores: [softmax(row) for row in scores]),
        ("masked_softmax", "masked_softmax", lambda scores: masked(scores, 0)),
        ("log_softmax", "log_probability", lambda row, i: log_probability(row, i) * (1 + 1e-14)),
        ("layer_norm", "layer_norm", lambda x, w, b, e: layer_norm(x, w, b, 1e-6)),
        ("layer_norm", "layer_norm", lambda x, w, b, e: layer_norm(x, w, [0.0] * len(b), e)),
        ("layer_norm", "layer_norm", lambda x, w, b, e: [layer_norm_of_fewer(row, w, b, e) for row in x]),
    ],
)
def test_broken_rows_fail(name, function, broken, monkeypatch):
    monkeypatch.setattr(rows, function, broken)
    (check,) = [check for check in rows.checks() if check.name == name]
    assert not check.passed


softmax, log_probability, layer_norm = rows.softmax, rows.log_probability, rows.layer_norm


def masked(scores, more):
    t = len(scores)
    seen = [len(row) - t + i + more for i, row in enumerate(scores)]  # one token too few
    return [
        softmax(row[:n]) + [0.0] * (len(row) - n) if n else [0.0] * len(row)
        for row, n in zip(scores, seen, strict=True)
    ]


def layer_norm_of_fewer(row, weight, bias, epsilon):
    """The variance over C - 1."""
    mean = math.fsum(row) / len(row)
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in row) / (len(row) - 1) + epsilon)
    return [(x - mean) / deviation * w + b for x, w, b in zip(row, weight, bias, strict=True)]


def test_products_pass():
    assert [check.name for check in products.checks() if check.passed] == [
        "add_matrices", "transpose_matrix", "exact_sum", "dot_product", "matrix_multiply",
    ]  # fmt: skip


def plain_sum(values):
    total = 0.0
    for value in values:
        total += value
    return total


@pytest.mark.usefixtures("_fewer_rows")
@pytest.mark.parametrize(
    ("name", "function", "broken"),
    [
        (
            "add_matrices",
            "add_matrices",
            lambda a, b: [[x + y * (1 + 1e-15) for x, y in zip(*pair, strict=True)] for pair in zip(a, b, strict=True)],
        ),
        ("transpose_matrix", "transpose_matrix", lambda m: [list(row) for row in m]),
        ("exact_sum", "exact_sum", plain_sum),
        ("dot_product", "dot_product", lambda a, b: plain_sum(x * y for x, y in zip(a, b, strict=True))),
        ("dot_product", "dot_product", lambda a, b: math.fsum(x * y for x, y in zip(a[1:], b[1:], strict=True))),
    ],
)
def test_broken_products_fail(name, function, broken, monkeypatch):
    monkeypatch.setattr(products, function, broken)
    checks = {check.name: check for check in products.check_bits()}
    kinds = {"exact_sum": ("ulp", products.compare_sum), "dot_product": (products.UNIT, products.compare_dot)}
    check = checks.get(name) or check_of(name, kinds[name][0], kinds[name][1], ROW_SETS)
    assert not check.passed


def test_truth_is_rounded_once():
    with mpmath.workdps(60):
        truth = truth_of([mpmath.mpf(1) / 3, mpmath.mpf(2) ** -1080, mpmath.exp(1000), Fraction(1, 3)], (4,))
    assert truth.nearest.tolist() == [1 / 3, 0.0, math.inf, 1 / 3]
    assert truth.rest[0] == pytest.approx(float((Fraction(1, 3) - Fraction(1 / 3)) / Fraction(math.ulp(1 / 3))))
    assert truth.distance(np.array([1 / 3, 0.0, math.inf, math.nan]), truth.ulp)[2:].tolist() == [0.0, math.inf]


def test_halfway_cases_of_subnormals_go_to_even():
    tiny = math.ulp(0.0)
    truth = truth_of([Fraction(tiny) * 3 / 2, Fraction(tiny) / 2, Fraction(tiny) * Fraction(51, 100)], (3,))
    assert truth.nearest.tolist() == [2 * tiny, 0.0, tiny]
    assert truth.distance(truth.nearest, truth.ulp).tolist() == pytest.approx([0.5, 0.5, 0.49])


def comparison(ours, torch64, inputs="random"):
    """Numbers near 1/3, so many floats away from it."""
    truth = truth_of([Fraction(1, 3)] * len(ours), (len(ours),))
    floats = [np.array([1 / 3 + far * math.ulp(1 / 3) for far in values]) for values in (ours, torch64)]
    return Comparison(inputs, truth, truth.ulp, np.full(len(ours), 9.0), floats[0], {"torch64": floats[1]})


def test_at_most_one_ulp_behind_pytorch_on_every_set():
    sets = {"random": comparison([0, 1], [8, 8]), "large": comparison([0, 3], [2, 0])}
    assert check_of("one ulp behind", "ulp", sets.get, ["random", "large"]).passed
    sets["large"] = comparison([0, 4], [2, 2], "large")
    check = check_of("two ulp behind on one", "ulp", sets.get, ["random", "large"])
    assert not check.passed
    assert check.finding == "large: error 3.66667 ulp, PyTorch's 1.66667: more than 1 behind"


def test_the_bound_holds_even_where_pytorch_is_worse():
    sets = {"random": comparison([0, 10], [20, 20])}  # 9 are allowed
    check = check_of("over the bound", "ulp", sets.get, ["random"])
    assert check.finding == "random: error 9.667 ulp, 9 are allowed"
    assert not check.passed


def test_an_operation_that_breaks_down_on_a_set():
    def compare(inputs):
        return comparison([0, 1], [8, 8]) if inputs == "random" else ACTIVATIONS["no such function"]

    check = check_of("broken", "ulp", compare, ["random", "large"])
    assert not check.passed
    assert check.finding.startswith("large: breaks down: KeyError")
    assert list(check.values["sets"]) == ["random"]
    assert not check_of("broken on all", "ulp", compare, ["large"]).passed


def test_only_files_of_the_engine_are_named_where_it_breaks_down(tmp_path):
    # A clone is called starchart too.
    program = compile("1 / 0", str(tmp_path / "starchart" / "tests" / "test_nothing.py"), "exec")
    check = attempt("utils", "broken", lambda: exec(program))
    assert check.finding == "breaks down: ZeroDivisionError: division by zero"


def test_what_is_told_of_an_operation():
    check = elementary_check("gelu_new", ACTIVATIONS["gelu_new"])
    sets = check.values["sets"]
    assert list(sets) == list(NUMBER_SETS)
    assert {"ours", "bar", "numpy", "torch64", "torch32", "correctly_rounded", "same_as_torch64"} < set(sets["random"])
    assert check.measure.share == max(told["of_the_bar"] for told in sets.values())
    # Its largest error is not the one that is nearest to its bar.
    assert max(told["ours"] for told in sets.values()) > check.measure.ours
    assert set(check.shares) == {"right", "=NumPy", "=PyTorch", "=float32"}
    assert check.shares["=NumPy"] == pytest.approx(sum(told["same_as_numpy"] for told in sets.values()) / len(sets))
    assert check.note.startswith("largest: ")
    assert check.note.endswith(elementary.FUNCTIONS["gelu_new"].why)
    check = elementary_check("exp", elementary.FUNCTIONS["exp"].ours)
    assert check.measure.ours == max(told["ours"] for told in check.values["sets"].values())
    assert check.note == ""
