"""Processors and memory on simulated systems: with limits, nested limits, no limits, and invalid files."""

import os
import subprocess
import sys

import pytest

from starchart.engines import processors
from starchart.engines.processors import available_memory, available_processors
from tests.house.source_tree import SRC

GB = 1 << 30


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Return a function that writes a file of a made-up /proc or /sys/fs/cgroup. There are 16 processors in it."""
    read = processors._lines

    def moved(path):
        return read(tmp_path / path.relative_to("/") if path.is_relative_to("/proc") else path)

    def write(path, text):
        file = tmp_path / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    monkeypatch.setattr(processors, "_CGROUPS", tmp_path / "sys/fs/cgroup")
    monkeypatch.setattr(processors, "_lines", moved)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    return write


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_the_affinity_of_a_real_process():
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from starchart.engines.processors import available_processors; print(available_processors())"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program, str(SRC)], stdout=subprocess.PIPE, check=True, timeout=60
    )
    assert run.stdout.strip() == b"1"


def test_no_system_to_ask(system):
    assert available_processors() == 16
    assert available_memory() is None


@pytest.mark.parametrize(("count", "expected"), [(6, 6), (None, 1)])
def test_without_affinity_all_processors_count(count, expected, system, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert available_processors() == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("200000 100000\n", 2),
        ("250000 100000\n", 3),  # two and a half: a part of one is worth a process
        ("10000 100000\n", 1),
        ("0 100000\n", 1),
        ("9000000 100000\n", 16),  # more than there are
        (f"{2**63} 100000\n", 16),
        ("max 100000\n", 16),
        ("", 16),
        ("200000\n", 16),
        ("200000 max\n", 16),
        ("-1 100000\n", 16),
        ("2.5 1\n", 16),
        (b"\xff\xfe \x00\n", 16),
    ],
)
def test_the_limit_of_a_container(limit, expected, system):
    system("/proc/self/cgroup", "0::/\n")
    system("/sys/fs/cgroup/cpu.max", limit)
    assert available_processors() == expected


@pytest.mark.parametrize("smallest", ["a/b/c", "a/b", "a", "."])
def test_the_smallest_limit_of_nested_groups_counts(smallest, system):
    system("/proc/self/cgroup", "12:cpu:/elsewhere\n0::/a/b/c\n")
    for folder in ("a/b/c", "a/b", "a", ".", "a/other", "elsewhere"):
        mine = folder in ("a/b/c", "a/b", "a", ".")
        quota = 300_000 if folder == smallest else 500_000 if mine else 100_000
        system(f"/sys/fs/cgroup/{folder}/cpu.max", f"{quota} 100000\n")
        used = 1 if folder == smallest else 5 if mine else 0
        system(f"/sys/fs/cgroup/{folder}/memory.max", f"{(used + 3) * GB}\n")
        system(f"/sys/fs/cgroup/{folder}/memory.current", f"{(3 if mine else 0) * GB}\n")
    assert available_processors() == 3
    assert available_memory() == GB


def test_no_group_of_version_2_reads_no_files_of_version_2(system):
    system("/proc/self/cgroup", "3:cpu:/\n")
    system("/sys/fs/cgroup/cpu.max", "100000 100000\n")
    assert available_processors() == 16


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(
    ("quota", "period", "expected"),
    [("400000", "100000", 4), ("150000", "100000", 2), ("-1", "100000", 16), ("100", "0", 16), ("", "", 16)],
)
def test_version_1(folder, quota, period, expected, system):
    system(f"/sys/fs/cgroup/{folder}/cpu.cfs_quota_us", f"{quota}\n")
    system(f"/sys/fs/cgroup/{folder}/cpu.cfs_period_us", f"{period}\n")
    assert available_processors() == expected


def test_version_1_with_half_of_its_files(system):
    system("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n")
    system("/sys/fs/cgroup/memory/memory.limit_in_bytes", f"{GB}\n")
    assert available_processors() == 16
    assert available_memory() is None


def test_memory_of_the_system(system):
    system("/proc/meminfo", "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    3000000 kB\n")
    assert available_memory() == 3_000_000 * 1024


def test_a_system_that_does_not_say_what_is_available(system):
    system("/proc/meminfo", "MemTotal:       16000000 kB\nMemFree:         1000000 kB\n")
    assert available_memory() is None


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        (f"{2 * GB}\n", f"{GB // 2}\n", 3 * GB // 2),
        (f"{2 * GB}\n", "0\n", 2 * GB),
        (f"{GB}\n", f"{GB + 1}\n", 0),  # more is used than may be
        ("max\n", f"{GB}\n", 5 * GB),
        (f"{2**63 - 4096}\n", f"{GB}\n", 5 * GB),  # version 1 says so where there is no limit
        (f"{GB}\n", "", 5 * GB),
        ("rubbish\n", "rubbish\n", 5 * GB),
        (b"\xff\x00", b"\xff\x00", 5 * GB),
    ],
)
@pytest.mark.parametrize(
    "files", ["memory.max memory.current", "memory/memory.limit_in_bytes memory/memory.usage_in_bytes"]
)
def test_memory_of_a_container(files, limit, used, expected, system):
    system("/proc/meminfo", f"MemAvailable: {5 * GB // 1024} kB\n")
    system("/proc/self/cgroup", "0::/\n")
    for file, text in zip(files.split(), (limit, used), strict=True):
        system(f"/sys/fs/cgroup/{file}", text)
    assert available_memory() == expected


@pytest.mark.parametrize("text", ["100000 0\n", "9" * 5000 + " 100000\n", "1e5 1e5\n", "\u0661 1\n", "1\n"])
def test_rubbish_limits_no_processors(text, system):
    system("/proc/self/cgroup", "0::/\n")
    system("/sys/fs/cgroup/cpu.max", text)
    assert available_processors() == 16


@pytest.mark.parametrize(
    "text", ["MemAvailable:\n", "MemAvailable: much kB\n", "MemAvailable: " + "9" * 5000 + " kB\n"]
)
def test_rubbish_limits_no_memory(text, system):
    system("/proc/meminfo", text)
    assert available_memory() is None


@pytest.mark.parametrize(
    ("folder", "limit", "used", "line"),
    [
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory/", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_files_kept_for_the_next_reader_are_free_memory(folder, limit, used, line, system):
    system("/proc/self/cgroup", "0::/\n")
    system(f"/sys/fs/cgroup/{folder}{limit}", f"{3 * GB}\n")
    system(f"/sys/fs/cgroup/{folder}{used}", f"{2 * GB}\n")
    system(f"/sys/fs/cgroup/{folder}memory.stat", f"anon {GB}\n{line} {GB // 2}\nactive_file 1\n")
    assert available_memory() == 3 * GB // 2


def test_no_memory_at_all(system):
    system("/proc/self/cgroup", "0::/\n")
    system("/sys/fs/cgroup/memory.max", "0\n")
    system("/sys/fs/cgroup/memory.current", "0\n")
    assert available_memory() == 0
