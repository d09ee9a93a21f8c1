"""What a person and a program see of the proof: a line for each check as it comes, a table, one JSON object."""

import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from starchart import __version__
from starport.verify.check import Check
from starport.verify.components import LIBRARIES

_GREEN, _RED, _DIM, _PLAIN = "\x1b[32m", "\x1b[1;31m", "\x1b[2m", "\x1b[0m"
_NAME_WIDTH = 30
_SHOWN = 96  # characters of a finding in the table; the cascade has all of it


@dataclass
class ComponentResult:
    """The checks of one component and the time that they took."""

    name: str
    checks: list[Check] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    @property
    def worst(self) -> Check:
        """The first check that failed; if none did, the one that came closest to its bar.

        How close is its value "of_the_bar", 1 where the bar is reached.
        """
        return self.failed[0] if self.failed else max(self.checks, key=_share_of_the_bar)


def _share_of_the_bar(check: Check) -> float:
    share = check.values.get("of_the_bar", 0.0)
    return float(share) if isinstance(share, int | float) else 0.0


class Cascade:
    """Prints to one stream, in colour where that is a terminal and NO_COLOR is not set."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def title(self, text: str) -> None:
        """Print the line above all others."""
        self._print(text)

    def check(self, check: Check) -> None:
        """Print one check."""
        mark = self._mark(check.passed)
        self._print(f"{mark} {check.component:12} {check.name:{_NAME_WIDTH}} {self._dim(_one_line(check.finding))}")

    def table(self, results: Sequence[ComponentResult]) -> None:
        """Print a line for each component and one for all."""
        self._print("")
        self._print("       component    checks  failed  seconds  worst finding")
        for result in results:
            counts = f"{len(result.checks):6}  {len(result.failed):6}  {result.seconds:7.1f}"
            worst = f"{result.worst.name}: {_one_line(result.worst.finding)}"
            self._print(f"{self._mark(not result.failed)} {result.name:12} {counts}  {self._dim(_cut(worst))}")
        checks, failed = sum(len(result.checks) for result in results), sum(len(result.failed) for result in results)
        seconds = sum(result.seconds for result in results)
        self._print(f"{self._mark(not failed)} {'all':12} {checks:6}  {failed:6}  {seconds:7.1f}")

    def _mark(self, passed: bool) -> str:
        return self._in(_GREEN, "ok    ") if passed else self._in(_RED, "FAILED")

    def _dim(self, text: str) -> str:
        return self._in(_DIM, text)

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._coloured else text

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


def json_report(model: str, results: Iterable[ComponentResult]) -> dict[str, Any]:
    """Return everything that was found, in values that JSON has."""
    results = list(results)
    return {
        "model": model,
        "passed": not any(result.failed for result in results),
        "versions": _versions(),
        "components": [
            {
                "name": result.name,
                "checks": len(result.checks),
                "failed": len(result.failed),
                "seconds": result.seconds,
                "worst": result.worst.name,
            }
            for result in results
        ],
        "checks": [
            {
                "component": check.component,
                "name": check.name,
                "passed": check.passed,
                "finding": check.finding,
                "values": _plain(check.values),
            }
            for result in results
            for check in result.checks
        ],
    }


def _versions() -> dict[str, str]:
    """Return the versions of what was compared, of those that are installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  slow, and every command imports this

    found = {"starchart": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for library in sorted({name for names in LIBRARIES.values() for name in names}):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values; infinity and nan, for which JSON has no numbers, as their names."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
