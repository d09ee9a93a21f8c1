"""Functions of one number: exp, log, tanh, erf, log1p and the activations.

Each has a bound (`bar`) in ulps of the result, a constant or a function of the argument; docs/BOUNDS.md has the proof.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import mpmath  # type: ignore[import-untyped]
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from starchart.utils.activations import ACTIVATIONS
from starchart.utils.elementary.erf import erf
from starchart.utils.elementary.exp import exp
from starchart.utils.elementary.log import log, log1p
from starchart.utils.elementary.tanh import tanh
from starport.verify.check import Check
from starport.verify.comparison import Comparison, check_of
from starport.verify.named_inputs import NUMBER_SETS, numbers
from starport.verify.truth import DIGITS, Exact, Floats, mpf, truth_of

_SLOPE = 0.7978845608028654  # sqrt(2/pi)
_SLOPE_FAST = 0.7978845608
# Errors that are always allowed: if exp(-2u) or exp(-x) is inf, the result is -0.0; |x| Phi(x) may be subnormal.
_TANH_FORM_VANISHES, _SILU_VANISHES, _GELU_SUBNORMAL = 1.3e-307, 1e-305, 64 * 2.0**-1074
_EXPONENT_ROUNDED = "exp turns the rounding of -2u into |2u| ulp; results below 1.3e-307 are -0.0"


@dataclass(frozen=True)
class Function:
    """A function of one number: ours, the true one, and those of other libraries."""

    ours: Callable[[float], float]
    truth: Callable[[Exact], Exact]
    torch: Callable[[Tensor], Tensor]
    numpy: Callable[[Floats], Floats] | None
    bar: Callable[[Floats], Floats]  # ulps of the result
    domain: Callable[[float], float] = float  # maps any argument into the domain of the function
    vanishing: float = 0.0  # an error of this size is always allowed
    why: str = ""  # if the bound depends on the argument: what makes it large


def _constant(bar: float) -> Callable[[Floats], Floats]:
    return lambda x: np.full(x.shape, bar)


def _tanh_form_truth(slope: Callable[[], Exact]) -> Callable[[Exact], Exact]:
    def truth(x: Exact) -> Exact:
        if abs(x) > 100:  # exp would need as many digits as its argument
            return max(x, mpf(0))
        return x / (1 + mpmath.exp(-2 * slope() * (x + mpmath.mpf("0.044715") * x**3)))

    return truth


def _tanh_form(x: Floats, slope: float = _SLOPE) -> Floats:
    return 0.5 * x * (1.0 + np.tanh(slope * (x + 0.044715 * x * x * x)))


def _tanh_form_bar(x: Floats) -> Floats:
    """Return s (|v| (3 + 4 q) + 1.1) + 1.6."""
    with np.errstate(all="ignore"):
        cubic = 0.044715 * x * x
        share = np.where(np.isfinite(cubic), cubic / (1.0 + cubic), 1.0)  # q
        v = -2.0 * _SLOPE * x * (1.0 + cubic)
        s = 1.0 / (1.0 + np.exp(-np.clip(v, -800.0, 800.0)))
        return np.where(s > 0.0, s * (np.abs(np.clip(v, -1e4, 1e4)) * (3.0 + 4.0 * share) + 1.1), 0.0) + 1.6


def _exp_bar(x: Floats) -> Floats:
    return np.where(x < -708.39, 0.77, 0.51)  # below it the result is subnormal


def _gelu_bar(x: Floats) -> Floats:
    return np.where(x < 0.0, 2.2 * np.maximum(x, -40.0) ** 2 + 18.0, 3.2)


def _gelu_truth(x: Exact) -> Exact:
    return max(x, mpf(0)) if abs(x) > 100 else x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def _silu_truth(x: Exact) -> Exact:
    return max(x, mpf(0)) if abs(x) > 10000 else x / (1 + mpmath.exp(-x))


def _exp_truth(x: Exact) -> Exact:
    return mpmath.exp(max(min(x, mpf(10000)), mpf(-10000)))


def _tanh_truth(x: Exact) -> Exact:
    return mpmath.tanh(max(min(x, mpf(10000)), mpf(-10000)))


def _gelu_fast_torch(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(x * _SLOPE_FAST * (1.0 + 0.044715 * x * x)))  # transformers' own


FUNCTIONS = {
    "exp": Function(exp, _exp_truth, torch.exp, np.exp, _exp_bar, why="a subnormal result is rounded twice"),
    "log": Function(log, mpmath.log, torch.log, np.log, _constant(0.52), abs),
    "log1p": Function(
        log1p, mpmath.log1p, torch.log1p, np.log1p, _constant(0.52), lambda x: x if x > -1.0 else 1.0 / x
    ),
    "tanh": Function(tanh, _tanh_truth, torch.tanh, np.tanh, _constant(2.0)),
    "erf": Function(erf, mpmath.erf, torch.erf, None, _constant(3.0)),
    "gelu_new": Function(
        ACTIVATIONS["gelu_new"], _tanh_form_truth(lambda: mpmath.sqrt(2 / mpmath.pi)),
        lambda x: functional.gelu(x, approximate="tanh"), _tanh_form, _tanh_form_bar, vanishing=_TANH_FORM_VANISHES,
        why=_EXPONENT_ROUNDED,
    ),
    "gelu": Function(
        ACTIVATIONS["gelu"], _gelu_truth, functional.gelu, None, _gelu_bar, vanishing=_GELU_SUBNORMAL,
        why="exp turns the rounding of x^2/2 into x^2/2 ulp",
    ),
    "gelu_fast": Function(
        ACTIVATIONS["gelu_fast"], _tanh_form_truth(lambda: mpmath.mpf("0.7978845608")), _gelu_fast_torch,
        lambda x: _tanh_form(x, _SLOPE_FAST), _tanh_form_bar, vanishing=_TANH_FORM_VANISHES,
        why=_EXPONENT_ROUNDED,
    ),
    "silu": Function(
        ACTIVATIONS["silu"], _silu_truth, functional.silu, lambda x: x / (1.0 + np.exp(-x)), _constant(2.6),
        vanishing=_SILU_VANISHES,
    ),
    "relu": Function(
        ACTIVATIONS["relu"], lambda x: max(x, mpf(0)), functional.relu, lambda x: np.maximum(x, 0.0), _constant(0.0)
    ),
}  # fmt: skip


def compare(function: Function, inputs: str) -> Comparison:
    """Compare one function on one set of inputs."""
    arguments = [function.domain(x) for x in numbers(inputs)]
    x = np.array(arguments)
    with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
        truth = truth_of((function.truth(mpf(v)) for v in arguments), x.shape)
        tensor = torch.from_numpy(x)
        peers = {
            "torch64": function.torch(tensor).numpy(),
            "torch32": function.torch(tensor.float()).double().numpy(),
        }
        if function.numpy:
            peers = {"numpy": function.numpy(x), **peers}
        bar = function.bar(x) + function.vanishing / truth.ulp
    ours = np.array([function.ours(v) for v in arguments])
    return Comparison(inputs, truth, truth.ulp, bar, ours, peers, x)


def checks() -> Iterator[Check]:
    """Yield a check for each function, over all sets of inputs."""
    for name, function in FUNCTIONS.items():
        yield check_of(name, "ulp", partial(compare, function), NUMBER_SETS, function.why)
