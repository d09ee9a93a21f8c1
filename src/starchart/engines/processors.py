"""How many processors and how much memory this process may use: the system's limits and a container's."""

import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def available_processors() -> int:
    """Return how many processors this process may use: its affinity, or a lower limit of the container, rounded up."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS, nor on Windows
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    for quota, period in _processor_limits():
        if period:
            count = min(count, max(1, -(-quota // period)))
    return count


def available_memory() -> int | None:
    """Return how many bytes of memory this process may still allocate, or None where the system does not report it."""
    room = [limit - used for limit, used in _memory_limits()]
    for line in _lines(Path("/proc/meminfo")):
        name, _, rest = line.partition(":")
        number = rest.removesuffix("kB").strip()
        if name == "MemAvailable" and _is_number(number):
            room.append(int(number) * 1024)
    return max(0, min(room)) if room else None


def _processor_limits() -> Iterator[tuple[int, int]]:
    """Yield limits: microseconds of processor time, and the period in microseconds in which they may be used."""
    for folder in _own_cgroups():
        words = " ".join(_lines(folder / "cpu.max")).split()
        if len(words) == 2 and all(map(_is_number, words)):
            yield int(words[0]), int(words[1])
    for folder in (_CGROUPS / "cpu", _CGROUPS / "cpu,cpuacct"):  # version 1
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota and period:
            yield quota, period


def _memory_limits() -> Iterator[tuple[int, int]]:
    """Yield memory limits and used memory in bytes. File caches that the system can drop do not count as used."""
    folders = [(folder, "memory.max", "memory.current") for folder in _own_cgroups()]
    folders.append((_CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"))  # version 1
    for folder, limit_file, used_file in folders:
        limit, used = _number(folder / limit_file), _number(folder / used_file)
        if limit is not None and used is not None:
            words = [line.split() for line in _lines(folder / "memory.stat")]
            cached = [int(pair[1]) for pair in words if len(pair) == 2 and pair[0].endswith("inactive_file")]
            yield limit, used - max(cached, default=0)


def _own_cgroups() -> Iterator[Path]:
    """Yield the folders of this process's control group and of its parents (version 2)."""
    own = next((line[4:] for line in _lines(Path("/proc/self/cgroup")) if line.startswith("0::/")), None)
    if own is not None:
        folder = _CGROUPS / own
        yield folder
        yield from (parent for parent in folder.parents if parent.is_relative_to(_CGROUPS))


def _number(path: Path) -> int | None:
    text = "".join(_lines(path))
    return int(text) if _is_number(text) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 30


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii", "replace").splitlines()
    except OSError:
        return []
