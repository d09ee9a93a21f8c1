"""22,000 results of the elementary functions and activations, as one digest. Imports nothing but starchart."""

import hashlib
from math import ldexp
from random import Random

from starchart.utils.elementary.erf import erf, erfc
from starchart.utils.elementary.exp import exp
from starchart.utils.elementary.log import log, log1p
from starchart.utils.elementary.normal_cdf import normal_cdf
from starchart.utils.elementary.tanh import tanh
from starchart.utils.gelu import gelu, gelu_fast, gelu_new
from starchart.utils.silu import silu

FUNCTIONS = {f.__name__: f for f in (exp, log, log1p, tanh, erf, erfc, normal_cdf, gelu, gelu_new, gelu_fast, silu)}


def digest() -> str:
    """Return the SHA-256 of each function's results for 1,500 usual arguments and 500 of all magnitudes."""
    random = Random(2019)
    usual = [16.0 * random.random() - 10.0 for _ in range(1500)]
    every_magnitude = [ldexp(random.random() - 0.5, 8 * (i % 250) - 1000) for i in range(500)]
    lines = [f"{name} {f(x).hex()}" for name, f in FUNCTIONS.items() for x in usual + every_magnitude]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
