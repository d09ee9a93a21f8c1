"""GELU, the Gaussian error linear unit, and the two approximations of it that checkpoints were trained with.

    gelu(x)      = x Phi(x), Phi the standard normal distribution (Hendrycks and Gimpel 2016, section 2)
    gelu_new(x)  = x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3) (the same section; GPT-2's form)
    gelu_fast(x) = gelu_new(x) with sqrt(2/pi) cut to 0.7978845608

For x < 0, 1 + tanh(u) and 1 + erf(x/sqrt(2)) cancel: at x = -8 the float64 GELU of PyTorch has no correct digit
left. Here Phi is found in its own tail, and the tanh form is x / (1 + exp(-2u)), the same function without the
subtraction. For x > 1 the result is x less a small part (gelu(x) - gelu(-x) = x), and for |x| < 1/8 the tanh form is
x/2 more or less a small part, so that only the last rounding counts.

Error of gelu: below 1.6 ulp for -4 < x < 1 (0.53 ulp of Phi can be 1.06 of a product, which rounds by 0.5), 5 ulp below
and 1 ulp above.

Error of the tanh forms: below s (|v| (3 + 4q) + 1.1) + 2.1 ulp, where v = -2u is what exp is taken of, s = 1 / (1 +
exp(-v)), and q = c/(1 + c), c = 0.044715 x^2, is the share of the cubic term in v. With w = 2^-53: the linear term is
wrong by 3w of itself (its constant, the sum, the product with x), the cubic one by 7w (two roundings more in its
constant, one in x^2, one in the product), so v by (3 + 4q) w of itself. exp makes of that (|v| (3 + 4q) + 1.1) w of
itself, its own 0.51 ulp included. 1 + exp(v) is wrong by s times that and w, the quotient rounds by w, and w of a
number is an ulp of it at most. Above 1, x - x g with g = s is off by no more. Below 1/8, tanh(u) is at most 1/10 and
off by 9w of itself at most: 1.5 ulp of the result. In all 3.4 ulp for x > 0, 8 at x = -1, 55 at -4, 3600 at -19
(measured: 1, 3, 30, 1500). Below -20 it is x exp(-v), off by |x| of the smallest
subnormals where it is subnormal.

Source: D. Hendrycks and K. Gimpel, Gaussian Error Linear Units (GELUs), arXiv:1606.08415.
"""

from starchart.utils.exp import exp
from starchart.utils.normal_cdf import normal_cdf
from starchart.utils.tanh import tanh

_LINEAR = -2.0 * 0.7978845608028654  # -2 sqrt(2/pi)
_CUBIC = 0.044715 * _LINEAR
_LINEAR_FAST = -2.0 * 0.7978845608
_CUBIC_FAST = 0.044715 * _LINEAR_FAST
_VANISHES = -40.0  # below it every result is -0.0; at -inf the formulas would give nan
_FAR = -20.0  # below it exp(v) is so large that 1 + exp(v) is exp(v), and soon it overflows


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

    linear, cubic: the coefficients of v = -2u = linear x + cubic x^3. They are for `gelu_fast`, which has others: so
    the formula stands here once, and GPT-2's form does without another call.

    >>> gelu_new(-1.0)
    -0.15880800939172326
    """
    if x < _VANISHES:
        return -0.0
    v = x * (linear + cubic * (x * x))
    if -0.125 < x < 0.125:
        half = 0.5 * x
        return half + half * tanh(-0.5 * v)
    if x < _FAR:
        return x * exp(-v)
    decay = exp(v)
    return x - x * (decay / (1.0 + decay)) if 1.0 < x < 9.0 else x / (1.0 + decay)


def gelu_fast(x: float) -> float:
    """Return gelu_new with the constant of transformers' FastGELUActivation, which differs from it by up to 4e-12.

    >>> gelu_fast(-1.0)
    -0.15880800939252307
    """
    return gelu_new(x, _LINEAR_FAST, _CUBIC_FAST)
