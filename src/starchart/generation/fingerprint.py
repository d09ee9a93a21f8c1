"""A fingerprint of a row of logits: equal fingerprints mean equal bits."""

import sys
from array import array
from collections.abc import Sequence
from hashlib import sha256


def fingerprint(logits: Sequence[float]) -> str:  # [V] -> 64 hexadecimal digits
    """Return the sha256 of the row as little-endian IEEE-754 doubles.

    >>> fingerprint([1.0, -2.5])[:16]
    'f138ae8a7b9a72de'
    """
    numbers = array("d", logits)
    if sys.byteorder == "big":
        numbers.byteswap()
    return sha256(numbers.tobytes()).hexdigest()
