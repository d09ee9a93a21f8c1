"""tap(name, value) -> value: see or change any named value while the model runs.

A tap is any function of a name and a value. The model goes on with the value that it returns: the same one, if the tap
only looks; another one of the same shape, to patch or ablate. The names form one namespace with the weights
(`h.3.attn.scores` beside `h.3.attn.c_attn`); docs/NAMES.md lists them with their shapes. Values arrive as lists of
floats, whatever the engine. They may be returned as lists, NumPy arrays or PyTorch tensors (anything with `tolist`). In
a generation each step has the same names: first with the T tokens of the prompt, then with one new token at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, TypeAlias

from starchart.errors import TapError

Tap: TypeAlias = Callable[[str, Any], Any]

_MOST_SHOWN = 6  # names in the repr of a recording


def no_tap(name: str, value: Any) -> Any:
    """Return `value`. An engine recognises this tap, and may then fuse operations."""
    return value


def under(tap: Tap, prefix: str) -> Tap:
    """Return a tap that reports every name with `prefix` in front of it.

    >>> under(under(lambda name, value: name, "h.3."), "attn.")("scores", [[1.0]])
    'h.3.attn.scores'
    """
    if tap is no_tap:
        return no_tap
    return lambda name, value: tap(prefix + name, value)


def same_shape(tap: Tap) -> Tap:
    """Return a tap whose results are nested lists of the shape that `tap` was given.

    NumPy arrays and PyTorch tensors (anything with `tolist`) are converted to lists. Raises TapError where `tap`
    returns a value of another shape.
    """

    def checked(name: str, value: Any) -> Any:
        result = tap(name, value)
        if result is value:
            return value
        result, shape = _in_lists(result), _shape(value)
        if _shape(result) != shape:
            raise TapError(f"the tap returned {_described(result)} for {name}; it must have the shape {shape}")
        return result

    return checked


def _in_lists(value: Any) -> Any:
    """Return lists and arrays as nested lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_in_lists(part) for part in value] if isinstance(value, list | tuple) else value


def _shape(value: Any) -> list[int] | None:
    """Return the lengths of nested lists, [T, C] for a matrix; None if rows differ in length."""
    if isinstance(value, float | int):
        return []
    if not isinstance(value, list):
        return None
    inner = [_shape(part) for part in value]
    first = inner[0] if inner else []
    return None if first is None or any(other != first for other in inner) else [len(value), *first]


def _lengths(value: Any) -> list[int]:
    """Return the shape of nested lists whose rows have equal lengths: only first rows are looked at."""
    return [len(value), *(_lengths(value[0]) if len(value) else [])] if hasattr(value, "__len__") else []


def _described(value: Any) -> str:
    shape = _shape(value)
    if shape is not None:
        return f"a value of shape {shape}"
    if isinstance(value, list):
        return "lists that are not numbers in rows of equal length"
    return "None" if value is None else f"a value of type {type(value).__name__}"


class Recording(dict[str, Any]):
    """A tap that keeps values by their names: all, or those whose names match one of the patterns.

    In a pattern `*` stands for any characters: `Recording("h.*.attn.pattern", "logits")`. A later value with the
    same name, as in each step of a generation, replaces the earlier one.

    A name that was not recorded is a KeyError when it is asked for. At the end of a `with` block, a pattern that no
    value matched is a TapError, so that a misspelt name is noticed.

    >>> with Recording("ln_*") as recording:
    ...     recording("ln_f", [[1.0]]), recording("logits", [[2.0]])
    ([[1.0]], [[2.0]])
    >>> recording["ln_f"], recording
    ([[1.0]], Recording(1 value: ln_f [1, 1]))
    """

    def __init__(self, *patterns: str) -> None:
        super().__init__()
        if not all(isinstance(pattern, str) for pattern in patterns):
            raise TapError(f'patterns are strings, one after another: Recording("wte", "ln_f"), not {patterns!r:.100}')
        self._patterns = patterns

    def __call__(self, name: str, value: Any) -> Any:
        """Keep `value` if its name matches, and return it."""
        if not self._patterns or any(fnmatchcase(name, pattern) for pattern in self._patterns):
            self[name] = value
        return value

    def __missing__(self, name: str) -> Any:
        asked = f"; only names that match {' or '.join(self._patterns)} are" if self._patterns else ""
        raise KeyError(f"no value called {name} was recorded{asked}; docs/NAMES.md lists the names")

    def __enter__(self) -> "Recording":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raise TapError for patterns that no value matched, unless the block raised an error."""
        unused = [pattern for pattern in self._patterns if not any(fnmatchcase(name, pattern) for name in self)]
        _refuse_unused(unused, error)

    def __repr__(self) -> str:
        names = [*self]
        if len(names) > _MOST_SHOWN:
            names[_MOST_SHOWN - 2 : -1] = ["..."]
        shown = ", ".join(f"{name} {_lengths(self[name])}" if name in self else name for name in names)
        return f"Recording({len(self)} value{'s' * (len(self) != 1)}{': ' * bool(self)}{shown})"


class Changes:
    """A tap that replaces values by functions of them. Use it as `with Changes({name: function}) as tap:`.

    At the end of the block, a name that no value had is a TapError, so that a misspelt name is noticed. A function
    returns nested lists, or anything with `tolist`, of the shape that it was given.

    >>> with Changes({"mlp.act": lambda value: [[0.0]]}) as tap:
    ...     tap("mlp.act", [[5.0]])
    [[0.0]]
    """

    def __init__(self, changes: Mapping[str, Callable[[Any], Any]]) -> None:
        self._changes = changes
        self._unused = set(changes)

    def __call__(self, name: str, value: Any) -> Any:
        """Return `value`, changed if a change was asked for under `name`."""
        if name not in self._changes:
            return value
        self._unused.discard(name)
        return self._changes[name](value)

    def __enter__(self) -> "Changes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raise TapError for names that no value had, unless the block raised an error."""
        _refuse_unused(sorted(self._unused), error)


def _refuse_unused(names: Sequence[str], error: BaseException | None) -> None:
    if names and error is None:
        raise TapError(f"no value in this block is called {' or '.join(names)}; docs/NAMES.md lists the names")
