"""SiLU, the sigmoid linear unit, also called swish.

    silu(x) = x / (1 + exp(-x))

Sources: Hendrycks and Gimpel 2016 (arXiv:1606.08415), section 2; Ramachandran, Zoph and Le 2017 (arXiv:1710.05941).
"""

from starchart.utils.elementary.exp import exp


def silu(x: float) -> float:
    """Return x times the logistic sigmoid of x.

    It is -0.0 below -709.78, where the exact result is between -1e-305 and 0, and nan at -inf.
    Error: below 2.6 ulp; proof in docs/BOUNDS.md#silu.

    >>> silu(1.0)
    0.7310585786300049
    """
    return x / (1.0 + exp(-x))
