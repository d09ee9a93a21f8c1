"""Starchart: GPT-2 in pure Python. Everything here uses the standard library only.

>>> from starchart import GPT2, Tokenizer
"""

from starchart.gpt2 import GPT2
from starchart.tokenizer.tokenizer import Tokenizer

__all__ = ["GPT2", "Tokenizer", "__version__"]
__version__ = "0.1.0"
