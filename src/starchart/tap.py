"""tap(name, value) -> value: see or change any named value while the model runs.

A tap is any function of a name and a value that returns the value to go on with: the same one to look, another of the
same shape to patch or ablate. The names form one namespace with the weights (`h.3.attn.scores` beside
`h.3.attn.c_attn`); docs/NAMES.md lists them with their shapes. Values arrive as lists of floats, whatever the engine.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeAlias

from starchart.errors import TapError

Tap: TypeAlias = Callable[[str, Any], Any]


def no_tap(name: str, value: Any) -> Any:
    """Return `value`: the tap that an engine recognises, and then is free to fuse operations across names."""
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
    """Return a tap that raises TapError where `tap` returns a value of another shape than it was given."""

    def checked(name: str, value: Any) -> Any:
        result = tap(name, value)
        if result is value:
            return value
        shape = _shape(value)
        if _shape(result) != shape:
            raise TapError(f"the tap returned a value of shape {_shape(result)} for {name}, which has shape {shape}")
        return result

    return checked


def _shape(value: Any) -> list[int] | str:
    """Return the lengths of nested lists, [T, C] for a matrix, or what is there instead of lists of equal lengths."""
    if isinstance(value, float | int):
        return []
    if not isinstance(value, list | tuple):
        return f"{type(value).__name__}, no list"
    inner = [_shape(part) for part in value]
    first = inner[0] if inner else []
    if isinstance(first, str) or any(other != first for other in inner):
        return "unequal rows" if not isinstance(first, str) else first
    return [len(value), *first]


class Recording(dict[str, Any]):
    """A tap that keeps every value under its name.

    >>> recording = Recording()
    >>> recording("ln_f", [[1.0]])
    [[1.0]]
    >>> recording["ln_f"]
    [[1.0]]
    """

    def __call__(self, name: str, value: Any) -> Any:
        """Keep `value` and return it."""
        self[name] = value
        return value


class Changes:
    """A tap that puts some values through functions. Use it as `with Changes({name: function}) as tap:`.

    A name that never came by is an error at the end of the block, so that a misspelt name cannot pass for "no effect".

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
        """Raise TapError for names that never ran, unless another error is on its way."""
        if self._unused and error is None:
            raise TapError(f"no value called {', '.join(sorted(self._unused))} came by; docs/NAMES.md lists the names")
