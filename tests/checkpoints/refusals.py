"""The only two results of random damage: the reader refuses the file with one line, or reads it."""

import random
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

from starchart.errors import CheckpointError
from tests.checkpoints.damage import damage

MEMORY = 20_000_000  # the files have a few thousand bytes


def refusals_of_damage(
    path: Path, samples: Sequence[bytes], read: Callable[[Path], object], cases: int, seed: str
) -> list[str]:
    """Read samples with random damage, and return the messages of those that are refused."""
    rng = random.Random(seed)
    messages = []
    tracemalloc.start()
    for _ in range(cases):
        path.write_bytes(damage(samples, rng))
        try:
            read(path)
        except CheckpointError as error:
            messages.append(str(error))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY
    assert all(message.isprintable() for message in messages)
    return messages
