"""A million damaged files for the readers: each is read, or refused with one line. Nothing else may happen.

    python bench/fuzz_readers.py --cases 1000000 --jobs 2 --write docs/SECURITY.md

Every case is a real file of its format with some damage, read in a process that has 200 MB of memory more than it
began with and 2 seconds of processor time. An audit hook sees what Python does meanwhile: importing, compiling or
executing code, unpickling, starting a process, opening a socket, writing, or opening a file outside the case's folder
counts as a failure, like every exception that is not Starchart's own. A failing file is kept in the folder that --keep
names.
"""

import argparse
import multiprocessing
import os
import platform
import random
import re
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from starchart.errors import StarchartError  # noqa: E402
from tests.checkpoints.damage import damage  # noqa: E402
from tests.checkpoints.fuzz_targets import TARGETS, Target  # noqa: E402

MEMORY = 200_000_000  # bytes
SECONDS = 2
_AT_ONCE = 5000  # cases of one process
# What no reader has to do: audit events of Python, documented in its "Audit events table".
_FORBIDDEN = re.compile(
    r"exec|compile|import|code\.__new__|function\.__new__|pickle\.|marshal\.|ctypes\.|subprocess\.|socket\.|shutil\."
    r"|os\.(system|exec|fork|spawn|posix_spawn|startfile|kill|remove|rename|mkdir|rmdir|link|symlink|truncate|chmod|putenv)"
)
_READING = ("r", "rb", None)  # None: os.open, which has flags
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class TooLong(BaseException):
    """A case that took more than its time."""


class Watch:
    """Sees what Python is asked to do while a case is read. One per process: an audit hook cannot be removed."""

    def __init__(self) -> None:
        self.folder = ""
        self.seen: list[str] = []
        self.on = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if _FORBIDDEN.match(event):
            self.seen.append(f"{event} {arguments[:1]!r}")
        elif event == "open" and not isinstance(arguments[0], int):  # of a descriptor os.open was seen
            path, mode, flags = arguments
            if not str(path).startswith(self.folder + os.sep):
                self.seen.append(f"open {path!r}")
            elif mode not in _READING or flags & _WRITING:
                self.seen.append(f"open {path!r} to write")


WATCH = Watch()


def read_case(target: Target, data: bytes, folder: Path, watch: Watch = WATCH) -> str:
    """Return "read", "refused", or what happened that must not."""
    path = folder / target.file_name
    path.write_bytes(data)
    watch.folder = str(folder)
    watch.seen.clear()
    watch.on = True
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        target.read(path)
        outcome = "read"
    except StarchartError as error:
        outcome = "refused" if str(error).isprintable() else f"more than one line: {error}"
    except TooLong:
        outcome = f"took longer than {SECONDS} s"
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        watch.on = False
    return f"did {watch.seen[0]}" if watch.seen else outcome


def too_long(*_: Any) -> None:
    raise TooLong


def run_part(part: tuple[str, str, int, str]) -> tuple[str, Counter[str]]:
    """Read the cases of one part, which its seed determines; return the count of each result."""
    name, seed, cases, keep = part
    target = TARGETS[name]
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        limit_memory(None)
        target.prepare(Path(folder))
        samples = target.samples()
        signal.signal(signal.SIGPROF, too_long)
        read_case(target, samples[0], Path(folder))  # now every module is imported and all files are there
        limit_memory()
        rng = random.Random(seed)
        for _ in range(cases):
            data = target.mend(damage(samples, rng))
            outcome = read_case(target, data, Path(folder))
            found[outcome] += 1
            if outcome not in ("read", "refused") and keep:
                kept = Path(keep) / f"{name.replace(' ', '-')}-{sum(found.values())}-{seed.replace(' ', '-')}"
                kept.write_bytes(data)
    return name, found


def limit_memory(more: int | None = MEMORY) -> None:
    """Limit this process to so many bytes more than it has now; None: no limit."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = resource.RLIM_INFINITY if more is None else pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def parts(cases: int, seed: int, keep: str, names: Sequence[str]) -> Iterator[tuple[str, str, int, str]]:
    """Yield the parts of a run: as many cases for every reader."""
    each = -(-cases // len(names))
    for start in range(0, each, _AT_ONCE):
        for name in names:
            yield name, f"{seed} {name} {start}", min(_AT_ONCE, each - start), keep


def table(found: dict[str, Counter[str]], seconds: float) -> str:
    """Return the counts as a table in Markdown, with where and when they were made."""
    lines = [f"| {'reader':<28} | {'cases':>9} | {'read':>9} | {'refused':>9} | {'anything else':>13} |"]
    lines.append(f"|{'-' * 30}|{'-' * 10}:|{'-' * 10}:|{'-' * 10}:|{'-' * 14}:|")
    total: Counter[str] = sum(found.values(), Counter())
    for name, counts in [*found.items(), ("all", total)]:
        other = counts.total() - counts["read"] - counts["refused"]
        lines.append(
            f"| {name:<28} | {counts.total():>9,} | {counts['read']:>9,} | {counts['refused']:>9,} | {other:>13,} |"
        )
    where = f"{date.today()}, {platform.machine()}, CPython {platform.python_version()}; {seconds:,.0f} s"
    return "\n".join([*lines, "", where])


def write_into(page: Path, text: str) -> None:
    """Put the table between the marks of a page."""
    start, end = "<!-- counts -->\n", "<!-- end of counts -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{start}\n{text}\n\n{end}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=20_000, help="of all readers together (default: 20000)")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(TARGETS), action="append", help="this reader (may be repeated)")
    parser.add_argument("--keep", metavar="DIR", default="", help="a folder for files that fail")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a page to put the counts into")
    options = parser.parse_args()
    if options.keep:
        Path(options.keep).mkdir(parents=True, exist_ok=True)
    names = options.only or list(TARGETS)
    found: dict[str, Counter[str]] = {name: Counter() for name in names}
    began = time.monotonic()
    try:
        with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
            for name, counts in pool.imap_unordered(run_part, parts(options.cases, options.seed, options.keep, names)):
                found[name] += counts
                for outcome in counts.keys() - {"read", "refused"}:
                    print(f"{name}: {counts[outcome]} x {outcome}", file=sys.stderr, flush=True)
    except ModuleNotFoundError as error:  # what writes the files of a format
        advice = f"install it with `pip install {error.name}`, or name other readers with --only"
        print(f"fuzz_readers: there is no {error.name} here; {advice}", file=sys.stderr)
        return 2
    text = table(found, time.monotonic() - began)
    print(text)
    if options.write:
        write_into(options.write, text)
    return int(any(counts.total() != counts["read"] + counts["refused"] for counts in found.values()))


if __name__ == "__main__":
    sys.exit(main())
