"""Runs the checks of components. An error inside a component becomes a failed check."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from starchart.errors import StarchartError
from starport.verify.check import Check
from starport.verify.components import COMPONENTS, LIBRARIES


class MissingLibraryError(StarchartError):
    """A library that a component compares with is not installed."""


def require_libraries(names: Sequence[str]) -> None:
    """Raise MissingLibraryError unless all libraries of the components `names` are installed."""
    needed = sorted({library for name in names for library in LIBRARIES[name]})
    missing = [library for library in needed if find_spec(library) is None]
    if missing:
        raise MissingLibraryError(_advice(missing))


def run_component(name: str, *arguments: Path | None) -> Iterator[Check]:
    """Yield the checks of the component `name`. The first of `arguments` is the folder of a GPT-2.

    An error inside is a failed check, and so is a component without checks. Raises MissingLibraryError.
    """
    found = 0
    try:
        module = import_module(COMPONENTS[name])
        for check in module.checks(*arguments):
            found += 1
            yield check
        if not found:
            yield Check(name, "nothing", False, "there was nothing to check")
    except ModuleNotFoundError as error:
        if (error.name or "starport").partition(".")[0] in ("starchart", "starport"):
            yield _not_finished(name, error)
            return
        raise MissingLibraryError(_advice([str(error.name).partition(".")[0]])) from None
    except Exception as error:  # any error: the other components go on, and the result is a failure
        yield _not_finished(name, error)


def _not_finished(name: str, error: Exception) -> Check:
    kind = type(error).__name__
    message = " ".join(str(error).split())
    return Check(name, "did not finish", False, f"{kind}: {message}", {"error": kind, "message": message})


def _advice(missing: Sequence[str]) -> str:
    names = " ".join(missing)
    return f"compare has nothing to compare with: install what is missing with `pip install {names}`"
