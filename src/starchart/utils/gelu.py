"""GELU, the Gaussian error linear unit, and the two approximations of it that checkpoints were trained with.

    gelu(x)      = x Phi(x), Phi the standard normal distribution (Hendrycks and Gimpel 2016, section 2)
    gelu_new(x)  = x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3) (the same section; GPT-2's form)
    gelu_fast(x) = gelu_new(x) with sqrt(2/pi) cut to 0.7978845608

For x < 0, 1 + tanh(u) and 1 + erf(x/sqrt(2)) cancel: at x = -8 the float64 GELU of PyTorch has no correct digit
left. Here Phi is found in its own tail, and the tanh form is x / (1 + exp(-2u)), the same function without the
subtraction. For x > 1 the result is x less a small part (gelu(x) - gelu(-x) = x), so that only the last rounding
counts.

Error: gelu below 2.3 ulp for -4 < x < 1 (0.9 ulp of Phi can be 1.8 of a product, which rounds by 0.5), 5 ulp below
and 1 ulp above. The tanh forms are below 2 ulp for x > 0; for x < 0 exp
multiplies the rounding of its argument by 2|u|, to 3 ulp at x = -1, 30 at -4 and 1500 at -19. Results under about
1e-306 become -0.0.

Source: D. Hendrycks and K. Gimpel, Gaussian Error Linear Units (GELUs), arXiv:1606.08415.
"""

from starchart.utils.exp import exp
from starchart.utils.normal_cdf import normal_cdf

_LINEAR = -2.0 * 0.7978845608028654  # -2 sqrt(2/pi)
_CUBIC = 0.044715 * _LINEAR
_LINEAR_FAST = -2.0 * 0.7978845608
_CUBIC_FAST = 0.044715 * _LINEAR_FAST
_VANISHES = -40.0  # below it every result is -0.0; at -inf the formulas would give nan


def gelu(x: float) -> float:
    """Return x Phi(x).

    >>> gelu(-1.0)
    -0.15865525393145705
    """
    if 1.0 < x < 9.0:
        return x - x * normal_cdf(-x)
    return -0.0 if x < _VANISHES else x * normal_cdf(x)


def gelu_new(x: float, linear: float = _LINEAR, cubic: float = _CUBIC) -> float:
    """Return x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3).

    linear, cubic: the coefficients of -2u = linear x + cubic x^3. They are for `gelu_fast`, which has others: so the
    formula stands here once, and GPT-2's form does without another call.

    >>> gelu_new(-1.0)
    -0.15880800939172326
    """
    if x < _VANISHES:
        return -0.0
    decay = exp(x * (linear + cubic * (x * x)))
    return x - x * (decay / (1.0 + decay)) if 1.0 < x < 9.0 else x / (1.0 + decay)


def gelu_fast(x: float) -> float:
    """Return gelu_new with the constant of transformers' FastGELUActivation, which differs from it by up to 4e-12.

    >>> gelu_fast(-1.0)
    -0.15880800939252307
    """
    return gelu_new(x, _LINEAR_FAST, _CUBIC_FAST)
