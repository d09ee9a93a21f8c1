"""20,000 results of the elementary functions and activations, as one digest. Imports nothing but starchart."""

import hashlib
from math import ldexp
from random import Random

from starchart.utils.erf import erf
from starchart.utils.exp import exp
from starchart.utils.gelu import gelu, gelu_fast, gelu_new
from starchart.utils.log import log
from starchart.utils.log1p import log1p
from starchart.utils.normal_cdf import normal_cdf
from starchart.utils.silu import silu
from starchart.utils.tanh import tanh

FUNCTIONS = {f.__name__: f for f in (exp, log, log1p, tanh, erf, normal_cdf, gelu, gelu_new, gelu_fast, silu)}


def digest() -> str:
    """Return the SHA-256 of the results for 1,500 usual arguments and 500 of every magnitude, ten functions each."""
    random = Random(2019)
    usual = [16.0 * random.random() - 10.0 for _ in range(1500)]
    every_magnitude = [ldexp(random.random() - 0.5, 8 * (i % 250) - 1000) for i in range(500)]
    lines = [f"{name} {f(x).hex()}" for name, f in FUNCTIONS.items() for x in usual + every_magnitude]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
