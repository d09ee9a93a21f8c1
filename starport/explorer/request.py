"""A request: what was asked, checked field by field. It comes from outside, so every field may be anything."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from starchart.errors import RequestError
from starchart.files.json_file import shown
from starport.explorer.plain_data import SPECIAL


class Request:
    """The fields of a request. Every method raises RequestError for a field that is not what it should be."""

    def __init__(self, fields: Any) -> None:
        if not isinstance(fields, Mapping):
            raise RequestError(f"a request is an object with the field ask, not {shown(fields)}")
        self.fields = fields

    def has(self, name: str) -> bool:
        """Return whether a field is given."""
        return self.fields.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text."""
        value = self._value(name, default)
        if not isinstance(value, str):
            raise RequestError(f"{name} must be a text, not {shown(value)}")
        return value

    def flag(self, name: str) -> bool:
        """Return true or false, by default false."""
        value = self._value(name, False)
        if not isinstance(value, bool):
            raise RequestError(f"{name} must be true or false, not {shown(value)}")
        return value

    def whole(self, name: str, count: int | None = None, default: int | None = None) -> int:
        """Return a whole number from 0 to `count` - 1."""
        value = self._value(name, default)
        if not _is_whole(value) or value < 0 or (count is not None and value >= count):
            most = f"from 0 to {count - 1}" if count is not None else "of at least 0"
            raise RequestError(f"{name} must be a whole number {most}, not {shown(value)}")
        return int(value)

    def number(self, name: str, default: float | None = None) -> float:
        """Return a finite number."""
        value = SPECIAL.get(value, value) if isinstance(value := self._value(name, default), str) else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise RequestError(f"{name} must be a finite number, not {shown(value)}")
        return value

    def choice(self, name: str, among: Sequence[str], default: str | None = None) -> str:
        """Return one of some words."""
        value = self.text(name, default)
        if value not in among:
            raise RequestError(f"{name} {shown(value)} is not known; known are {', '.join(among)}")
        return value

    def listed(self, name: str, default: Sequence[Any] | None = None) -> list[Any]:
        """Return a list."""
        value = self._value(name, default)
        if not isinstance(value, list | tuple):
            raise RequestError(f"{name} must be a list, not {shown(value)}")
        return list(value)

    def index(
        self, name: str, shape: Sequence[int], default: Sequence[int] | None = None, whole: bool = True
    ) -> tuple[int, ...]:
        """Return an index of a value of this shape, or with `whole` false the beginning of one."""
        places = self.listed(name, default)
        fits = len(places) == len(shape) if whole else len(places) <= len(shape)
        if not fits or not all(_is_whole(place) for place in places):
            wanted = "" if whole else "at most "
            raise RequestError(f"{name} must be a list of {wanted}{len(shape)} whole numbers, not {shown(places)}")
        for place, size in zip(places, shape, strict=False):
            if not 0 <= place < size:
                raise RequestError(
                    f"{name} {shown(places)} is outside of the shape {list(shape)}; indices count from 0"
                )
        return tuple(places)

    def _value(self, name: str, default: Any) -> Any:
        value = self.fields.get(name)
        if value is None:
            value = default
        if value is None:
            raise RequestError(f"the field {name} is missing")
        return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # a whole number beyond the range of floats
        return False
