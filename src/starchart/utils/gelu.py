"""GELU, the Gaussian error linear unit, and the approximation of it that GPT-2 was trained with.

    gelu(x)      = x Phi(x),                Phi the standard normal distribution
    gelu_new(x)  = x / (1 + exp(-2u)),      u = sqrt(2/pi) (x + 0.044715 x^3)
    gelu_fast(x) = gelu_new(x) with sqrt(2/pi) cut to 0.7978845608

gelu_new is usually written x/2 (1 + tanh(u)). That is the same function, but for x < 0 it subtracts two nearly equal
numbers: at x = -8 the float64 GELU of PyTorch has no correct digit. At -inf all three are nan, as in
PyTorch. Source: D. Hendrycks and K. Gimpel, Gaussian Error Linear Units (GELUs), arXiv:1606.08415, section 2.
"""

from starchart.utils.elementary.exp import exp
from starchart.utils.elementary.normal_cdf import normal_cdf


def gelu_new(x: float, root: float = 0.7978845608028654) -> float:
    """Return x / (1 + exp(-2u)), u = root (x + 0.044715 x^3), where root is sqrt(2/pi).

    Error: below s (|2u| (3 + 4q) + 1.1) + 1.6 ulp with s = 1 / (1 + exp(2u)), q = 0.044715 x^2 / (1 + 0.044715 x^2);
    so 2.8 ulp for x > 0, 7 at -1, 54 at -4; proof in docs/BOUNDS.md#gelu_new.

    >>> gelu_new(-1.0)
    -0.15880800939172326
    """
    u = root * (x + 0.044715 * (x * x * x))
    return x / (1.0 + exp(-2.0 * u))


def gelu_fast(x: float) -> float:
    """Return gelu_new with 0.7978845608 for sqrt(2/pi), as transformers' FastGELUActivation has it.

    The constants differ by 3.6e-12 of their size, the results by at most 9.2e-13.

    >>> gelu_fast(-1.0)
    -0.15880800939252307
    """
    return gelu_new(x, 0.7978845608)


def gelu(x: float) -> float:
    """Return x Phi(x).

    Error: below 3.2 ulp for x >= 0, 2.2 x^2 + 18 ulp for x < 0; proof in docs/BOUNDS.md#gelu.

    >>> gelu(-1.0)
    -0.15865525393145702
    """
    return x * normal_cdf(x)
