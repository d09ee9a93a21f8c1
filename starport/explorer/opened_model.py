"""A model with everything that is asked of it: its tokenizer, its weights by name, and engines, opened when needed."""

from collections import OrderedDict
from collections.abc import Callable
from os import PathLike
from typing import Any

from starchart import GPT2
from starchart.box.boxed_model import model_folder
from starchart.checkpoints.checkpoint import open_tensors
from starchart.errors import RequestError
from starchart.tokenizer.tokenizer import check_vocabulary, named_vocabulary
from starchart.value_graph.graph import value_graph
from starport.explorer.derived_graph import derived_graph
from starport.explorer.stored_weights import StoredWeights
from starport.explorer.tokens import Tokens

WAYS = (("packed", "full"), ("packed", "fast"), ("reference", "full"))
_SMALL = 20_000_000  # parameters: of a larger model one engine is open at a time

Progress = Callable[[int, int, str], None]


def no_progress(done: int, of: int, text: str) -> None:
    """Show no progress."""


class OpenedModel:
    """A model on any engine of the standard library. Close it.

    `gpt2` is the model on the engine `way`, where it is open already; its owner closes it. The packed engine is opened
    with `workers` and `pack_cache` otherwise.
    """

    def __init__(
        self,
        model: str | PathLike[str],
        name: str,
        way: tuple[str, str],
        gpt2: GPT2 | None = None,
        workers: int | None = 1,
        pack_cache: bool = False,
    ) -> None:
        self.name = name
        self.folder = model_folder(model)
        vocabulary = named_vocabulary(model)
        self.config, tensors = open_tensors(self.folder)
        self.tokens = Tokens(vocabulary)
        check_vocabulary(self.tokens.tokenizer, self.config.vocab_size)
        self.weights = StoredWeights(tensors)
        self.parameters = sum(tensor.count for tensor in tensors.values())
        self.graph = value_graph(self.config, untied="lm_head.weight" in tensors)
        self.derived = derived_graph(self.config, self.graph)
        self.ways = (way, *(other for other in WAYS if other != way))
        self._options: dict[str, Any] = {"workers": workers, "pack_cache": pack_cache}
        self._given = {way: gpt2} if gpt2 else {}
        self._open: OrderedDict[tuple[str, str], GPT2] = OrderedDict()
        c, h = self.config.n_embd, self.config.n_head
        self.letters = {
            "L": self.config.n_layer, "H": h, "C": c, "D": c // h, "F": self.config.feed_forward_width,
            "V": self.config.vocab_size, "P": self.config.n_positions,
        }  # fmt: skip

    def gpt2(self, engine: str, precision: str, progress: Progress = no_progress) -> GPT2:
        """Return the model on an engine. Raises RequestError for an engine that is not one of `ways`."""
        way = (engine, precision)
        if way not in self.ways:
            known = ", ".join(" ".join(other) for other in self.ways)
            raise RequestError(f"there is no engine {engine} with precision {precision} here; there are {known}")
        if way in self._given:
            return self._given[way]
        if way not in self._open:
            most = len(self.ways) if self.parameters <= _SMALL else 1
            while len(self._open) >= most:
                self._open.popitem(last=False)[1].close()
            options = self._options if engine == "packed" else {}
            self._open[way] = GPT2.from_pretrained(
                self.folder, engine, precision=precision,
                progress=lambda what, done, of: progress(done, of, what), **options,
            )  # fmt: skip
        self._open.move_to_end(way)
        return self._open[way]

    def shape(self, name: str, tokens: int) -> tuple[int, ...]:
        """Return the shape of a value or a derived value in a run of so many tokens."""
        sizes = {**self.letters, "T": tokens, "S": tokens, "3C": 3 * self.letters["C"]}
        shape = self.graph[name].shape if name in self.graph else self.derived[name].shape
        return tuple(sizes[letter] for letter in shape)

    def close(self) -> None:
        """Close all engines that were opened here."""
        while self._open:
            self._open.popitem()[1].close()
