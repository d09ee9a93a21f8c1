"""Prints the results of `compare`: a line per check as it comes, a table, and one JSON object."""

import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from textwrap import wrap
from typing import Any, TextIO

from starchart import __version__
from starport.verify.check import Check, Measure, short
from starport.verify.components import LIBRARIES, PEERS, SHARES

_GREEN, _RED, _BOLD, _DIM, _PLAIN = "\x1b[32m", "\x1b[1;31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"
_NAME, _ERROR, _BAR, _UNIT, _PEER = 31, 7, 5, 10, 9  # widths
_WIDE = 140  # columns; longer lines are wrapped
_OURS = "ours / bound: our error and the largest error that is allowed, for the input with the worst ratio of the two"
_OTHERS = """\
NumPy, PyTorch (float64), float32 (PyTorch in float32), transformers: their largest errors on the same inputs; -: the
library has no such function. On no set may our largest error exceed that of PyTorch (float64) by more than 1 unit
right: share of our results that are correctly rounded; =NumPy, =PyTorch: share with the same bits as theirs"""
_OF_THE_MODEL = {
    "utils": "independent of the model; uses random numbers",
    "embeddings": "independent of the model; uses random numbers",
    "layers": "independent of the model; uses random weights",
    "model": "uses your model in: weights, every value, logits in float32; small random models in the other rows",
    "engines": 'uses your model, except rows marked "N tokens", which use a small random model',
    "generation": "uses your model in: tokens; small random models in the other rows",
    "tokenizer": "uses the vocabulary of your model, except in: merges across every cut",
}
_UNITS = {
    "ulp": "ulp: the distance from a float to the next",
    "row ulp": "row ulp: the distance from the largest number of the row to the next float",
    "u sum|a b|": "u sum|a b|: 2^-53 times the sum of the absolute values of the products that are added",
    "of largest": "of largest: error / largest number of the tensor",
    "nats": "nats: KL divergence per token, with natural logarithms",
}


@dataclass
class ComponentResult:
    """The checks of one component and their time."""

    name: str
    checks: list[Check] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    @property
    def run(self) -> bool:
        """Whether any check could be run."""
        return any(check.run for check in self.checks)

    @property
    def not_run(self) -> int:
        """How many checks could not be run."""
        return sum(not check.run for check in self.checks)

    @property
    def nearest(self) -> Check | None:
        """The passed check with the worst ratio of error to bound; None if no check has a measure."""
        measured = [check for check in self.checks if check.measure and check.passed]
        return max(measured, key=lambda check: check.measure.share if check.measure else 0, default=None)


class Cascade:
    """Prints to one stream, with colours if it is a terminal and NO_COLOR is not set."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._units: list[str] = []  # printed so far
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def title(self, text: str) -> None:
        """Print the first line: the model that is checked."""
        self._print(text)

    def component(self, name: str) -> None:
        """Print the line above the checks of a component."""
        peers = "".join(f"{peer:>{_wide(peer)}}" for peer in (*PEERS.get(name, ()), *SHARES.get(name, ())))
        columns = f"{'ours / bound':>{_NAME + 10 - len(name) + _ERROR + 8}}{'':{_BAR + _UNIT - 4}}{peers}"
        self._print("")
        self._print(f"{self._in(_BOLD, name)}{self._in(_DIM, columns if peers else '')}")

    def check(self, check: Check) -> None:
        """Print one check."""
        told, columns = _one_line(check.finding), ""
        if check.passed and check.measure:
            told = "; ".join(part for part in (check.measure.at, told) if part)
            columns = f"{_in_columns(check.measure, PEERS.get(check.component, ()))}{_shares(check)}  "
            self._units.append(check.measure.unit)
        room = _WIDE - _NAME - 10
        first, *others = wrap(f"{'x' * len(columns)}{told}", room) if told else [columns]
        told = self._in(_DIM if columns else "", first[len(columns) :])
        self._print(f"  {self._mark(check.passed, check.run)} {check.name:{_NAME}} {columns}{told}".rstrip())
        for line in others + wrap(_one_line(check.note), room):
            self._print(f"{'':{_NAME + 10}}{self._in(_DIM, line)}")

    def table(self, results: Sequence[ComponentResult]) -> None:
        """Print a line per component and one for all."""
        self._print("")
        self._print(self._in(_BOLD, "         component        ok  failed  not run  seconds   worst error / bound"))
        for result in results:
            counts = _counts([result])
            mark = self._mark(not result.failed, result.run)
            self._print(f"  {mark} {result.name:12} {counts}   {_nearest(result)}".rstrip())
        failed, run = any(result.failed for result in results), any(result.run for result in results)
        self._print(f"  {self._mark(not failed, run)} {'all':12} {_counts(results)}")
        used = [line for unit, line in _UNITS.items() if unit in self._units]
        of_the_model = [f"{r.name}: {_OF_THE_MODEL[r.name]}" for r in results if r.run and r.name in _OF_THE_MODEL]
        used = (
            [_OURS] * bool(self._units)
            + [_OTHERS] * any(result.name in PEERS for result in results)
            + used
            + of_the_model
        )
        if used:
            self._print("\n" + self._in(_DIM, "\n".join(used)))

    def _mark(self, passed: bool, run: bool = True) -> str:
        if not passed:
            return self._in(_RED, "FAILED")
        return self._in(_GREEN, "ok    ") if run else self._in(_DIM, "-     ")

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._coloured and text else text

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


def _in_columns(measure: Measure, peers: Sequence[str]) -> str:
    errors = f"{short(measure.ours):>{_ERROR}} / {short(measure.bar):{_BAR}}"
    beside = [short(measure.peers[peer]) if peer in measure.peers else "-" for peer in peers]
    columns = [f"{error:>{_wide(peer)}}" for peer, error in zip(peers, beside, strict=True)]
    return f"{errors} {measure.unit:{_UNIT}}{''.join(columns)}"


def _shares(check: Check) -> str:
    """Return columns of percentages, rounded down, so that 100 means all."""
    kinds = SHARES.get(check.component, ())
    told = [f"{math.floor(1000 * check.shares[kind]) / 10:.1f} %" if kind in check.shares else "" for kind in kinds]
    return "".join(f"{share:>{_wide(kind)}}" for kind, share in zip(kinds, told, strict=True))


def _wide(peer: str) -> int:
    return max(_PEER, len(peer) + 2)


def _counts(results: Sequence[ComponentResult]) -> str:
    not_run, failed = sum(result.not_run for result in results), sum(len(result.failed) for result in results)
    passed = sum(len(result.checks) for result in results) - failed - not_run
    return f"{passed:6}  {failed:6}  {not_run:7}  {sum(result.seconds for result in results):7.1f}"


def _nearest(result: ComponentResult) -> str:
    if result.failed:
        return f"failed first: {result.failed[0].name}"
    if not result.run:
        return _one_line(result.checks[0].finding)
    if not result.nearest or not result.nearest.measure:
        return "         all results are equal"
    measure = result.nearest.measure
    error = f"{short(measure.ours)} / {short(measure.bar)} {measure.unit}"
    return f"{100 * measure.share:5.0f} %  {result.nearest.name}: {error}"


def json_report(model: str, results: Iterable[ComponentResult]) -> dict[str, Any]:
    """Return all results as JSON values.

    A check of an operation has in values.sets, for each set of inputs: our largest error and those of NumPy and of
    PyTorch in float64 and float32, the share of correctly rounded results, and the shares of equal bits.
    """
    results = list(results)
    return {
        "model": model,
        "passed": any(result.run for result in results) and not any(result.failed for result in results),
        "versions": _versions(),
        "components": [
            {
                "name": result.name,
                "checks": len(result.checks),
                "failed": len(result.failed),
                "not_run": result.not_run,
                "seconds": result.seconds,
                "nearest": result.nearest.name if result.nearest else None,
            }
            for result in results
        ],
        "checks": [
            {
                "component": check.component,
                "name": check.name,
                "passed": check.passed,
                "run": check.run,
                "finding": check.finding,
                "note": check.note,
                "measure": _measure(check.measure),
                "shares": _plain(check.shares),
                "values": _plain(check.values),
            }
            for result in results
            for check in result.checks
        ],
    }


def _versions() -> dict[str, str]:
    """Return the versions of starchart, Python and the installed libraries of all components."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  slow, and every command imports this

    found = {"starchart": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for library in sorted({name for names in LIBRARIES.values() for name in names}):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _measure(measure: Measure | None) -> dict[str, Any] | None:
    return _plain(asdict(measure) | {"share_of_the_bar": measure.share}) if measure else None


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, with infinity and NaN as strings, since JSON has no numbers for them."""
    return {name: _plain(value) if isinstance(value, Mapping) else _finite(value) for name, value in values.items()}


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _one_line(text: str) -> str:
    return " ".join(text.split())
