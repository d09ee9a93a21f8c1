"""Random damage to files, for the fuzzers."""

import random
from collections.abc import Callable, Sequence

_DIGITS = b'0123456789-"{}[],:./\\ \x00\xff'
_NUMBERS = (0, 1, 2, 3, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40)
_HUGE = ((1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 8, 1 << 62)
_MOST_STEPS = 3


def damage(samples: Sequence[bytes], rng: random.Random) -> bytes:
    """Return one of the samples with one to three kinds of damage done to it, mostly near its ends."""
    data = rng.choice(samples)
    for _ in range(rng.randint(1, _MOST_STEPS)):
        data = rng.choice(_KINDS)(data, samples, rng)
    return data


def _place(data: bytes, rng: random.Random) -> int:
    """Return an index into the data, mostly near its ends, where the formats have their headers and indexes."""
    size = len(data)
    if not size:
        return 0
    near = min(size, rng.choice((16, 64, 512, 4096, size)))
    return rng.randrange(near) if rng.random() < 0.7 else size - 1 - rng.randrange(near)


def _flip(data: bytes, samples: Sequence[bytes], rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4) if data else 0):
        changed[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(data: bytes, samples: Sequence[bytes], rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4) if data else 0):
        changed[_place(data, rng)] = rng.choice(_DIGITS) if rng.random() < 0.5 else rng.randrange(256)
    return bytes(changed)


def _number(data: bytes, samples: Sequence[bytes], rng: random.Random) -> bytes:
    """Overwrite one to eight bytes with a false number: a size, a count or an offset."""
    size = rng.choice((1, 2, 4, 8))
    value = rng.choice((*_NUMBERS, *_HUGE, len(data), len(data) + 1, rng.randrange(1 << 16)))
    raw = (value % (1 << 8 * size)).to_bytes(size, rng.choice(("little", "big")))
    start = _place(data, rng)
    return data[:start] + raw + data[start + size :]


def _cut_off(data: bytes, samples: Sequence[bytes], rng: random.Random) -> bytes:
    return data[: _place(data, rng)]


def _cut_out(data: bytes, samples: Sequence[bytes], rng: random.Random) -> bytes:
    start, end = sorted((_place(data, rng), _place(data, rng)))
    return data[:start] + data[end:]


def _double(data: bytes, samples: Sequence[bytes], rng: random.Random) -> bytes:
    start, end = sorted((_place(data, rng), _place(data, rng)))
    end = min(end, start + 4096)
    return data[:end] + data[start:end] * rng.randint(1, 3) + data[end:]


def _join(data: bytes, samples: Sequence[bytes], rng: random.Random) -> bytes:
    other = rng.choice(samples)
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _move(data: bytes, samples: Sequence[bytes], rng: random.Random) -> bytes:
    start, end = sorted((_place(data, rng), _place(data, rng)))
    piece = data[start : min(end, start + 64)]
    to = _place(data, rng)
    return data[:to] + piece + data[to + len(piece) :]


_KINDS: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    *(_flip, _overwrite, _number, _number, _cut_off, _cut_out, _double, _join, _move),
)
