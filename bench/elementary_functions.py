"""The worst errors of our elementary functions and activations, and their time per call, beside the platform's.

    python bench/elementary_functions.py [--arguments 10_000_000] [--only exp log]

The truth is NumPy's extended precision (64 bits, so good to a few thousandths of an ulp of a double) where it has the
function or a series gives it, and mpmath, with a hundredth of the arguments, where not. The worst case of each is
worked out again with mpmath. Half of the arguments are uniform over the function's range, half have a random
exponent. The peers are Python's math and statistics modules, and for the activations the usual formula over
math.

Needs numpy and mpmath. On a machine whose long double is a double, mpmath does all the work: ask for fewer arguments.
"""

import argparse
import math
import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import mpmath
import numpy as np

from starchart.utils.elementary.erf import erf
from starchart.utils.elementary.exp import exp
from starchart.utils.elementary.log import log, log1p
from starchart.utils.elementary.normal_cdf import normal_cdf
from starchart.utils.elementary.tanh import tanh
from starchart.utils.gelu import gelu, gelu_new
from starchart.utils.silu import silu

CHUNK = 100_000
CALLS = 1_000  # short, so that few of them are interrupted
REPEATS = 301
SLOPE = math.sqrt(2 / math.pi)


@dataclass(frozen=True)
class Case:
    ours: Callable[[float], float]
    peer: Callable[[float], float]
    truth: Callable[[mpmath.mpf], mpmath.mpf]
    low: float  # the range of uniform arguments
    high: float
    smallest: int  # the exponents of two of the others
    largest: int
    usual: tuple[float, float]  # the range that is timed
    extended: Callable[[np.ndarray], np.ndarray] | None = None  # the truth in extended precision
    signed: bool = True


def gelu_new_truth(x: mpmath.mpf) -> mpmath.mpf:
    return x / (1 + mpmath.exp(-2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)))


def gelu_new_extended(x: np.ndarray) -> np.ndarray:
    slope = np.sqrt(2 / np.longdouble("3.14159265358979323846264338327950288"))
    return x / (1 + np.exp(-2 * slope * (x + np.longdouble("0.044715") * x * x * x)))


def erf_extended(x: np.ndarray) -> np.ndarray:
    """2/sqrt(pi) exp(-x^2) (x + 2 x^3/3 + 4 x^5/15 + ...) below 2, then 1 - exp(-x^2)/sqrt(pi) / (x + 1/2/(x + 1/...)).

    Nothing cancels (Abramowitz and Stegun, 7.1.6 and 7.1.14).
    """
    size = np.abs(x)
    high = size.astype(np.float32).astype(np.longdouble)  # its square is exact
    decay = np.exp(-high * high) * np.exp(-(size - high) * (size + high))
    decay /= np.sqrt(np.longdouble("3.14159265358979323846264338327950288"))
    near = term = total = np.minimum(size, 2)
    for n in range(1, 60):
        term = term * (2 * near * near) / (2 * n + 1)
        total = total + term
    far = fraction = np.maximum(size, 2)
    for n in range(80, 0, -1):
        fraction = far + n / 2 / fraction
    return np.copysign(np.where(size < 2, 2 * decay * total, 1 - decay / fraction), x)


def gelu_new_peer(x: float) -> float:
    return 0.5 * x * (1.0 + math.tanh(SLOPE * (x + 0.044715 * x * x * x)))


def gelu_peer(x: float) -> float:
    return 0.5 * x * (1.0 + math.erf(x / math.sqrt(2.0)))


def normal_cdf_truth(x: mpmath.mpf) -> mpmath.mpf:
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def log1p_truth(x: mpmath.mpf) -> mpmath.mpf:
    with mpmath.workdps(400):  # 1 + x is exact
        return mpmath.log(1 + x)


CASES = {
    "exp": Case(exp, math.exp, mpmath.exp, -745.1, 709.78, -60, 9, (-30.0, 0.0), np.exp),
    "log": Case(log, math.log, mpmath.log, 0.5, 2.0, -1074, 1023, (0.0, 10.0), np.log, signed=False),
    "log1p": Case(log1p, math.log1p, log1p_truth, -0.999, 1.0, -100, -1, (-1.0, 0.0), np.log1p),
    "tanh": Case(tanh, math.tanh, mpmath.tanh, -3.0, 3.0, -60, 4, (-3.0, 3.0), np.tanh),
    "erf": Case(erf, math.erf, mpmath.erf, -6.0, 6.0, -60, 2, (-3.0, 3.0), erf_extended),
    "normal_cdf": Case(
        normal_cdf, statistics.NormalDist().cdf, normal_cdf_truth, -4.0, 9.0, -60, 1, (-3.0, 3.0)
    ),
    "gelu": Case(gelu, gelu_peer, lambda x: x * normal_cdf_truth(x), -4.0, 9.0, -60, 1, (-3.0, 3.0)),
    "gelu_new": Case(gelu_new, gelu_new_peer, gelu_new_truth, -4.0, 9.0, -60, 1, (-3.0, 3.0), gelu_new_extended),
    "silu": Case(
        silu, lambda x: x / (1.0 + math.exp(-x)), lambda x: x / (1 + mpmath.exp(-x)), -30.0, 30.0, -60, 4,
        (-3.0, 3.0), lambda x: x / (1 + np.exp(-x)),
    ),
}  # fmt: skip


def arguments(case: Case, count: int, random: np.random.Generator) -> np.ndarray:
    uniform = random.uniform(case.low, case.high, count // 2)
    exponents = random.integers(case.smallest, case.largest, count - count // 2)
    others = np.ldexp(random.uniform(1.0, 2.0, count - count // 2), exponents)
    if case.signed:
        others *= random.choice([-1.0, 1.0], others.size)
    return np.concatenate([uniform, others])


def truths(case: Case, x: np.ndarray) -> np.ndarray:
    if case.extended is not None and np.finfo(np.longdouble).nmant > 60:
        return case.extended(x.astype(np.longdouble))
    # A double and the rest of it, added in extended precision: as good as the extended functions.
    exact = [case.truth(mpmath.mpf(v)) for v in x.tolist()]
    heads = [float(v) for v in exact]
    rests = [float(v - head) for v, head in zip(exact, heads, strict=True)]
    return np.array(heads, np.longdouble) + np.array(rests, np.longdouble)


def worst_case(function: Callable[[float], float], x: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return the largest error in ulps of the truth, and its argument."""
    results = np.array([function(v) for v in x.tolist()])
    ulps = np.spacing(np.abs(truth.astype(np.float64)))
    errors = np.abs((results.astype(np.longdouble) - truth) / ulps)
    at = int(np.argmax(errors))
    return float(errors[at]), float(x[at])


def worst_errors(case: Case, count: int) -> tuple[float, float, float]:
    """Return our worst error, its argument, and the peer's worst error over the same arguments."""
    random = np.random.default_rng(42)
    ours, peer = (0.0, 0.0), 0.0
    done = 0
    while done < count:
        x = arguments(case, min(CHUNK, count - done), random)
        truth = truths(case, x)
        ours = max(ours, worst_case(case.ours, x, truth))
        peer = max(peer, worst_case(case.peer, x, truth)[0])
        done += x.size
    truth = case.truth(mpmath.mpf(ours[1]))
    return float(abs(case.ours(ours[1]) - truth) / math.ulp(float(truth))), ours[1], peer


def nanoseconds(function: Callable[[float], float], x: list[float]) -> float:
    """Return the median time of a call in a list comprehension, over REPEATS runs."""
    times = []
    for _ in range(REPEATS):
        start = perf_counter()
        [function(v) for v in x]
        times.append(perf_counter() - start)
    return statistics.median(times) / len(x) * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arguments", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    mpmath.mp.dps = 40
    print(f"{date.today()}, Python {platform.python_version()}, {platform.machine()}, NumPy {np.__version__}")
    print("function    arguments   worst error  at                          peer's worst   ns a call   peer's")
    for name in options.only:
        case = CASES[name]
        count = options.arguments if case.extended else options.arguments // 100
        error, at, peer = worst_errors(case, count)
        usual = np.random.default_rng(7).uniform(*case.usual, CALLS).tolist()
        ours_ns, peer_ns = nanoseconds(case.ours, usual), nanoseconds(case.peer, usual)
        print(f"{name:11} {count:10,}   {error:8.4f}     {at:<26.17g}  {peer:12.4g}    {ours_ns:8.0f}   {peer_ns:8.0f}")


if __name__ == "__main__":
    main()
