"""The random words of torch: the Mersenne twister behind `torch.manual_seed`, from the standard library.

Python's `random` holds the same generator (MT19937) but seeds it in another way, so the state is filled here as torch
fills it and handed over with `setstate`. From then on both give the same 32-bit words. Left out: every distribution
but the one that `torch.multinomial` needs (in `exponential_race`).

Sources: Matsumoto & Nishimura 1998, "Mersenne Twister", and `init_genrand` in their reference code of 2002; torch's
CPU generator (`ATen/core/MT19937RNGEngine.h`).
"""

import sys
from array import array
from random import Random

from starchart.errors import GenerationError

STATE_WORDS = 624
MULTIPLIER = 1812433253
SMALLEST_SEED = -(1 << 63)
LARGEST_SEED = (1 << 64) - 1


class TorchGenerator:
    """The stream of 32-bit words of torch's CPU generator after `torch.manual_seed(seed)`.

    Only the low 32 bits of the seed count, as in torch: -1 and 2**32 - 1 are the same seed. Raises GenerationError
    for a seed outside [-2**63, 2**64).

    >>> list(TorchGenerator(42).words(3))
    [1608637542, 3421126067, 4083286876]
    """

    def __init__(self, seed: int) -> None:
        check_seed(seed)
        self._random = Random()
        self._random.setstate((3, (*_initial_state(seed & 0xFFFFFFFF), STATE_WORDS), None))

    def bits(self, count: int) -> int:
        """Return the next `count` words as one integer: the first word is its lowest 32 bits."""
        return self._random.getrandbits(32 * count)

    def words(self, count: int) -> "array[int]":
        """Return the next `count` words, each in [0, 2**32)."""
        words = array("I", self.bits(count).to_bytes(4 * count, "little"))
        if sys.byteorder == "big":
            words.byteswap()
        return words


def check_seed(seed: int) -> None:
    """Raise GenerationError unless torch takes this number as a seed."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not SMALLEST_SEED <= seed <= LARGEST_SEED:
        raise GenerationError(
            f"seed {seed!r} is not a whole number from -2^63 to 2^64 - 1: choose one in that range", "seed"
        )


def _initial_state(seed: int) -> list[int]:
    """Return the 624 words that MT19937 starts from: Matsumoto & Nishimura's init_genrand."""
    state = [seed]
    for index in range(1, STATE_WORDS):
        previous = state[-1]
        state.append((MULTIPLIER * (previous ^ (previous >> 30)) + index) & 0xFFFFFFFF)
    return state
