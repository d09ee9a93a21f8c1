"""Derived values of a trace, computed when they are asked for."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, overload

from starchart import GPT2
from starchart.lens.contributions import contributions_of, logit_direction
from starchart.model.config import GPT2Config
from starchart.utils.layer_norm import layer_norm
from starchart.utils.matrix_multiply import dot_product
from starchart.utils.softmax import softmax
from starport.explorer.derived_graph import DIRECTION
from starport.explorer.derived_operations import given, norm

_MOST_ROWS = 1 << 22  # numbers of rows that are remembered


class Rows(Sequence[Any]):
    """A sequence whose items are made when they are asked for."""

    def __init__(self, count: int, item: Callable[[int], Any]) -> None:
        self._count = count
        self._item = item

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(self._count))]
        if not 0 <= place < self._count:
            raise IndexError(place)
        return self._item(place)


class DerivedValues(Mapping[str, Any]):
    """The values of a run with the derived ones, by name; `gpt2` returns the model on the engine of the run."""

    def __init__(
        self,
        values: Mapping[str, Any],
        names: Collection[str],
        weights: Mapping[str, Any],
        config: GPT2Config,
        gpt2: Callable[[], GPT2],
    ) -> None:
        self._values = values
        self._names = names
        self._weights = weights
        self._config = config
        self._gpt2 = gpt2
        self._rows: dict[tuple[Any, ...], Any] = {}
        self._table = "lm_head.weight" if "lm_head.weight" in weights else "wte.weight"

    def __iter__(self) -> Iterator[str]:
        return iter((*self._values, *self._names))

    def __len__(self) -> int:
        return len(self._values) + len(self._names)

    def __getitem__(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        if name not in self._names:
            raise KeyError(name)
        if name.startswith("lens."):
            return self._by_token(name, self._lens_row)
        if name.startswith("contribution."):
            return self._contribution(name)
        if name == "probabilities":
            return self._by_token(name, lambda _, token: softmax(self._values["logits"][token]))
        if name.endswith(".norm"):
            return [norm(row) for row in self._values[name.removesuffix(".norm")]]
        return self._given(name.removesuffix("given"))

    def lens(self, places: Sequence[tuple[str, int]]) -> list[Sequence[float]]:  # -> [places][V]
        """Return the logits of the lens at some points and positions; those that are new are computed in one pass."""
        keys = [(f"lens.{self._first_of_its_kind(point)}.logits", position) for point, position in places]
        rows = {key: self._rows[key] for key in keys if key in self._rows}
        new = {key: place for key, place in zip(keys, places, strict=True) if key not in rows}
        if new:
            found = self._gpt2().read_out([list(self._values[point][position]) for point, position in new.values()])
            for key, row in zip(new, found, strict=True):
                rows[key] = row
                self._remember(key, row)
        return [rows[key] for key in keys]

    def contributions(self, position: int, token: int) -> dict[str, Any]:
        """Return the contributions to a logit by name; those of heads as a list."""
        key = ("contributions", position, token)
        if key not in self._rows:
            row = self._weights[self._table][token]
            found: dict[str, Any] = {}
            for part in contributions_of(self._values, self._weights, row, self._config, position):
                if part.head is None:
                    found[part.name] = part.value
                else:
                    found.setdefault(part.name, []).append(part.value)
            self._remember(key, found)
        return self._rows[key]  # type: ignore[no-any-return]

    def _by_token(self, name: str, row: Callable[[str, int], Any]) -> Rows:
        def item(token: int) -> Any:
            if (name, token) not in self._rows:
                self._remember((name, token), row(name, token))
            return self._rows[name, token]

        return Rows(self._tokens, item)

    @property
    def remembered(self) -> int:
        """The memory that the remembered rows take at most, in numbers of 8 bytes; a float in a list has 32."""
        return 4 * len(self._rows) * self._config.vocab_size

    @property
    def _tokens(self) -> int:
        return len(self._values["wte"])

    def _remember(self, key: tuple[Any, ...], row: Any) -> None:
        if len(self._rows) * self._config.vocab_size > _MOST_ROWS:
            self._rows.clear()
        self._rows[key] = row

    def _lens_row(self, name: str, token: int) -> Any:
        point, _, kind = name.removeprefix("lens.").rpartition(".")
        if (first := self._first_of_its_kind(point)) != point:
            return self[f"lens.{first}.{kind}"][token]
        if kind == "logits":
            return self._gpt2().read_out([list(self._values[point][token])])[0]
        if kind == "probabilities":
            return softmax(self[f"lens.{point}.logits"][token])
        weights = self._weights["ln_f.weight"], self._weights["ln_f.bias"]
        return layer_norm([self._values[point][token]], *weights, self._config.layer_norm_epsilon)[0]

    def _first_of_its_kind(self, point: str) -> str:
        """Return the point before with the same numbers: h.2.resid_post for h.3.resid_pre, unless one was changed."""
        block, _, kind = point.rpartition(".")
        if kind != "resid_pre" or block == "h.0":
            return point
        other = f"h.{int(block.removeprefix('h.')) - 1}.resid_post"
        return other if self._values[other] is self._values[point] else point

    def _given(self, attention: str) -> list[list[list[float]]]:  # -> [H][T][S]
        pairs = zip(self._values[f"{attention}pattern"], self._values[f"{attention}v"], strict=True)
        return [
            [given(row, lengths) for row in pattern] for pattern, lengths in ((p, list(map(norm, v))) for p, v in pairs)
        ]

    def _contribution(self, name: str) -> Rows:
        part = name.removeprefix("contribution.")

        def by_token(value: Callable[[int, int], Any]) -> Rows:
            return Rows(self._tokens, lambda t: Rows(self._config.vocab_size, lambda token: value(t, token)))

        if name == DIRECTION:
            return by_token(self._direction)
        if part.endswith("attn.z"):
            return Rows(self._config.n_head, lambda h: by_token(lambda t, token: self.contributions(t, token)[part][h]))
        if part.endswith("c_proj.weight"):
            return by_token(lambda t, token: self._written(part, t, token))
        return by_token(lambda t, token: self.contributions(t, token)[part])

    def _direction(self, position: int, token: int) -> list[float]:  # -> [C]
        stream = self._values[f"h.{self._config.n_layer - 1}.resid_post"][position]
        row = self._weights[self._table][token]
        return logit_direction(row, self._weights["ln_f.weight"], stream, self._config.layer_norm_epsilon)

    def _written(self, weight: str, position: int, token: int) -> list[float]:  # -> [C]
        direction = self._direction(position, token)
        return [dot_product(row, direction) for row in self._weights[weight]]
