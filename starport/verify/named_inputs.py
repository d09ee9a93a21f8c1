"""The inputs of the comparisons, in sets whose names say what is difficult. They are the same in every run."""

from collections.abc import Callable
from math import ldexp
from random import Random

ROWS = 64
WIDTH = 48
COUNT = 1000  # numbers in a set, for functions of one number


def _gauss(random: Random, width: int, scale: float = 1.0) -> list[float]:
    return [random.gauss(0.0, scale) for _ in range(width)]


def _cancelling(random: Random, width: int) -> list[float]:
    """Return numbers, and then almost the same with the opposite sign: the sum is about 1e-7 of them."""
    half = _gauss(random, width // 2)
    return half + [-x * (1.0 + 1e-7 * random.gauss(0.0, 1.0)) for x in half]


def _one_huge(random: Random, width: int) -> list[float]:
    row = _gauss(random, width)
    row[random.randrange(width)] = random.choice((-1e12, 1e12))
    return row


def _subnormal(random: Random, width: int) -> list[float]:
    return [ldexp(random.uniform(-1.0, 1.0), random.randint(-1070, -1023)) for _ in range(width)]


_ROW_SETS: dict[str, Callable[[Random, int], list[float]]] = {
    "random": _gauss,
    "large": lambda random, width: _gauss(random, width, 1e3),
    "tiny": lambda random, width: _gauss(random, width, 1e-9),
    "cancelling": _cancelling,
    "one huge value": _one_huge,
    "subnormal": _subnormal,
    "equal rows": lambda random, width: [random.gauss(0.0, 1.0)] * width,
    "mean 1e6": lambda random, width: [1e6 + x for x in _gauss(random, width)],
}
ROW_SETS = tuple(_ROW_SETS)


def rows(name: str, count: int = ROWS, width: int = WIDTH, salt: str = "") -> list[list[float]]:  # -> [count][width]
    """Return the rows of a set. Another `salt` gives other rows of the same kind."""
    random = Random(f"{name} {salt}")
    return [_ROW_SETS[name](random, width) for _ in range(count)]


def _signed(random: Random, exponents: tuple[int, int]) -> float:
    return random.choice((-1.0, 1.0)) * ldexp(random.uniform(1.0, 2.0), random.randint(*exponents))


def _hard_to_subtract(random: Random) -> float:
    """Return a number near 1 or -1, where log is near 0, or between -9 and -1, where 1 + tanh is near 0."""
    if random.random() < 0.5:
        return random.choice((-1.0, 1.0)) * (1.0 + _signed(random, (-50, -5)))
    return random.uniform(-9.0, -1.0)


_NUMBER_SETS: dict[str, Callable[[Random], float]] = {
    "random": lambda random: random.gauss(0.0, 3.0),
    "large": lambda random: random.uniform(-700.0, 700.0),
    "tiny": lambda random: _signed(random, (-60, -8)),
    "cancelling": _hard_to_subtract,
    "one huge value": lambda random: random.choice((random.gauss(0.0, 1.0), -1e300, 1e300)),
    "subnormal": lambda random: _signed(random, (-1074, -1023)),
}
NUMBER_SETS = tuple(_NUMBER_SETS)


def numbers(name: str, count: int = COUNT) -> list[float]:
    """Return the numbers of a set for functions of one number."""
    random = Random(name)
    return [_NUMBER_SETS[name](random) for _ in range(count)]
