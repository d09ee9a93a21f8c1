"""Traces: runs with every value, the last ones kept, up to a fixed memory."""

import json
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from starchart.errors import RequestError
from starchart.token_ids import checked_ids
from starport.explorer.changes import Change, changes_of
from starport.explorer.derived_values import DerivedValues
from starport.explorer.kept_value import KeptValue, keep
from starport.explorer.opened_model import OpenedModel, Progress
from starport.explorer.plain_data import count_of
from starport.explorer.request import Request

MOST_KEPT = 32 << 20  # numbers of all traces together, 8 bytes each; the newest is kept in any case
MOST_OF_ONE = 64 << 20
_MOST_IDS = 1 << 16


class GoneError(RequestError):
    """A trace that is not kept any more."""


@dataclass(frozen=True)
class Trace:
    """One run: what was asked, and every value. `before` has the values that changes have replaced."""

    key: str
    ids: Sequence[int]
    engine: str
    precision: str
    change: Sequence[Any]
    values: Mapping[str, KeptValue]
    before: Mapping[str, KeptValue]
    derived: DerivedValues  # with `values`
    seconds: float

    @property
    def numbers(self) -> int:
        """How many numbers it keeps; values that share an array count once."""
        kept = {id(value.numbers): len(value.numbers) for value in (*self.values.values(), *self.before.values())}
        return sum(kept.values())


class Traces:
    """The last traces of a model."""

    def __init__(self, model: OpenedModel) -> None:
        self._model = model
        self._kept: OrderedDict[str, Trace] = OrderedDict()

    def __getitem__(self, key: str) -> Trace:
        if key not in self._kept:
            raise GoneError("this trace is not kept any more; ask for it again")
        self._kept.move_to_end(key)
        return self._kept[key]

    def get(self, request: Request, progress: Progress) -> Trace:
        """Return the trace that was asked for, from those kept or from a new run. Raises StarchartError."""
        ids = self._ids(request)
        engine, precision = self._model.ways[0]
        engine = request.text("engine", engine)
        precision = request.text("precision", precision if engine == self._model.ways[0][0] else "full")
        change = request.listed("change", [])
        asked = json.dumps([ids, engine, precision, change], sort_keys=True, default=str)
        key = sha256(asked.encode("utf-8", "backslashreplace")).hexdigest()[:16]
        if key not in self._kept:
            shapes = {name: self._model.shape(name, len(ids)) for name in self._model.graph}
            refuse_large(len(ids), sum(map(count_of, shapes.values())))
            changes = changes_of(
                change, shapes, self._model.letters, lambda other: self[other].values, self._model.graph
            )
            self._kept[key] = self._made(key, ids, (engine, precision), change, changes, progress)
            self._forget()
        return self[key]

    def _ids(self, request: Request) -> list[int]:
        positions = self._model.config.n_positions
        if request.has("ids"):
            ids = request.listed("ids")
        else:
            text = request.text("prompt")
            tokenizer = self._model.tokens.tokenizer
            ids = tokenizer.encode(text, allow_special=request.flag("special"))
            if not ids and tokenizer.end_of_text is not None:
                ids = [tokenizer.end_of_text]
        check_length(len(ids), positions)
        return checked_ids(ids, self._model.config.vocab_size)

    def _made(
        self,
        key: str,
        ids: list[int],
        way: tuple[str, str],
        change: Sequence[Any],
        changes: Mapping[str, list[Change]],
        progress: Progress,
    ) -> Trace:
        names = list(self._model.graph)
        values: dict[str, KeptValue] = {}
        before: dict[str, KeptValue] = {}

        def tap(name: str, value: Any) -> Any:
            for function in changes.get(name, ()):
                before.setdefault(name, keep(value))
                value = function(value)
            values[name] = _shared(keep(value), values, self._model.graph[name].inputs)
            progress(names.index(name) + 1, len(names), "reading the prompt")
            return value

        gpt2 = self._model.gpt2(*way, progress)
        began = time.perf_counter()
        gpt2.logits(ids, tap=tap)
        seconds = time.perf_counter() - began
        derived = DerivedValues(
            values, self._model.derived, self._model.weights, self._model.config,
            lambda: self._model.gpt2(*way),
        )  # fmt: skip
        return Trace(key, ids, *way, change, values, before, derived, seconds)

    def _forget(self) -> None:
        while (
            len(self._kept) > 1
            and sum(each.numbers + each.derived.remembered for each in self._kept.values()) > MOST_KEPT
        ):
            self._kept.popitem(last=False)


def check_length(tokens: int, positions: int) -> None:
    """Raise RequestError for a prompt that is longer than the context."""
    if tokens > positions:
        raise RequestError(f"the prompt has {tokens} tokens; this model reads at most {positions}: shorten it")


def refuse_large(tokens: int, numbers: int) -> None:
    """Raise RequestError for a trace of too many numbers."""
    if numbers > MOST_OF_ONE:
        raise RequestError(
            f"a trace of {tokens} tokens of this model has {numbers / 1e6:.0f} million numbers; at most"
            f" {MOST_OF_ONE / 1e6:.0f} million are kept: shorten the prompt"
        )


def _shared(kept: KeptValue, values: Mapping[str, KeptValue], inputs: Sequence[str]) -> KeptValue:
    """Return a value that has the same numbers already in place of the new one."""
    if len(inputs) == 1 and kept.shape == values[inputs[0]].shape and kept.numbers == values[inputs[0]].numbers:
        return values[inputs[0]]
    return kept
