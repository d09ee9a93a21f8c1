"""Vectors and matrices: plain sequences of floats, with no class of their own.

A matrix of shape [T][C] is a sequence of T rows with C floats each. Results are lists; weights may be `array.array`
rows, which take 4 or 8 bytes per number; a list takes 32.
"""

from collections.abc import Sequence
from typing import TypeAlias

Vector: TypeAlias = Sequence[float]
Matrix: TypeAlias = Sequence[Vector]
