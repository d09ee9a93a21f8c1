"""SiLU, the sigmoid linear unit, also called swish: x / (1 + exp(-x)).

Error below 2.5 ulp. Sources: Hendrycks and Gimpel 2016 (arXiv:1606.08415), section 2; Ramachandran, Zoph and Le
2017 (arXiv:1710.05941), who call it swish.
"""

from starchart.utils.exp import exp


def silu(x: float) -> float:
    """Return x times the logistic sigmoid of x. Below -709.78, where it is under 1e-305, the result is -0.0.

    >>> silu(1.0)
    0.7310585786300049
    """
    return -0.0 if x < -1000.0 else x / (1.0 + exp(-x))  # at -inf the formula would give nan
