"""How a model is cut: into as many slices as it has attention heads. Each process has some of the slices.

    slice p    queries, keys and values of attention head p    columns of attn.c_attn
               the output of attention head p                  rows of attn.c_proj
               some of the hidden channels                     columns of mlp.c_fc, rows of mlp.c_proj
               some of the vocabulary                          columns of the output projection (wte transposed)

A product whose columns are cut needs the whole vector and gives some of the outputs. A product whose rows are cut needs
only the numbers that the process already has, and gives one part of every sum. So a process goes from a whole vector to
partial sums alone. On the way it sends the norms of its groups, and receives the scales for all processes.
Source: Shoeybi et al. 2019, Megatron-LM, section 3.

The slices do not depend on the number of processes, and the bits do not depend on the slices: see `packed_matrix`.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from itertools import chain

from starchart.engines.packed.arithmetic.packed_matrix import group_sizes
from starchart.model.config import GPT2Config
from starchart.utils.matrix import Matrix


class Axis(Enum):
    """The axis of a matrix [in][out] that is cut."""

    ROWS = auto()
    COLUMNS = auto()


class Channels(Enum):
    """The channels that the slices divide among themselves."""

    ATTENTION = auto()  # the channels of all attention heads, joined: C
    HIDDEN = auto()  # of the feed-forward layer: F
    VOCABULARY = auto()  # one for each token: V


@dataclass(frozen=True)
class Layer:
    """A linear layer, or the output projection: which axis of its matrix is cut, and by which channels."""

    name: str
    cut: Axis
    channels: Channels
    copies: int = 1  # how often the channels stand side by side along the axis: 3 for queries, keys and values
    following: "Layer | None" = None  # the layer whose rows are cut by the same channels as these columns


OUTPUT_PROJECTION = Layer("lm_head", Axis.COLUMNS, Channels.VOCABULARY)


@cache
def linear_layers(blocks: int) -> dict[str, Layer]:
    """Return the linear layers of a model with `blocks` transformer blocks, by name.

    >>> linear_layers(12)["h.11.mlp.c_fc"].following.name
    'h.11.mlp.c_proj'
    """
    layers = []
    for n in range(blocks):
        c_proj = Layer(f"h.{n}.attn.c_proj", Axis.ROWS, Channels.ATTENTION)
        layers += [Layer(f"h.{n}.attn.c_attn", Axis.COLUMNS, Channels.ATTENTION, 3, c_proj), c_proj]
        c_proj = Layer(f"h.{n}.mlp.c_proj", Axis.ROWS, Channels.HIDDEN)
        layers += [Layer(f"h.{n}.mlp.c_fc", Axis.COLUMNS, Channels.HIDDEN, 1, c_proj), c_proj]
    return {layer.name: layer for layer in layers}


@dataclass(frozen=True)
class SliceRange:
    """The slices of one process: first, ..., last - 1 (a half-open range)."""

    config: GPT2Config
    first: int
    last: int

    @property
    def heads(self) -> int:
        """How many attention heads these slices have: one each."""
        return self.last - self.first

    def channels(self, kind: Channels) -> range:
        """Return the channels of one kind that these slices have."""
        if kind is Channels.ATTENTION:
            size = self.config.n_embd // self.config.n_head
            return range(self.first * size, self.last * size)
        return range(*_cuts(self._count(kind), self.config.n_head, self.first, self.last))

    def tokens(self, slice_: int) -> range:
        """Return the part of the vocabulary of one slice."""
        return SliceRange(self.config, slice_, slice_ + 1).channels(Channels.VOCABULARY)

    def columns(self, layer: Layer) -> list[list[range]]:
        """Return the columns of a layer that each of these slices owns, in the order of their lanes.

        Where the rows are cut, there is one list with all columns.
        """
        if layer.cut is Axis.ROWS:
            return [[range(self.config.n_embd)]]
        owned = [part.channels(layer.channels) for part in self.single()]
        starts = [copy * self._count(layer.channels) for copy in range(layer.copies)]
        return [[range(start + own.start, start + own.stop) for start in starts] for own in owned]

    def rows(self, layer: Layer) -> range:
        """Return the rows of a layer that these slices own: all of them where its columns are cut."""
        return self.channels(layer.channels) if layer.cut is Axis.ROWS else range(self.config.n_embd)

    def group_sizes(self, layer: Layer) -> list[int]:
        """Return the sizes of the groups of these rows: a group lies within one slice where rows are cut."""
        if layer.cut is Axis.COLUMNS:
            return group_sizes(self.config.n_embd)
        return [size for part in self.single() for size in group_sizes(len(part.rows(layer)))]

    def single(self) -> "list[SliceRange]":
        """Return these slices one by one."""
        return [SliceRange(self.config, n, n + 1) for n in range(self.first, self.last)]

    def by_column(self, layer: Layer, rows: Matrix) -> list[list[float]]:  # [T][lanes] -> [T][out]
        """Return the outputs of a layer, given by lane for all slices, in the order of its columns, without padding."""
        columns: list[int | None] = []
        for ranges in self.columns(layer):
            columns += [column for part in ranges for column in part]
            columns += [None] * (len(columns) % 2)  # padding: an odd number of lanes has one more
        places = {column: lane for lane, column in enumerate(columns) if column is not None}
        return [[row[places[column]] for column in range(len(places))] for row in rows]

    def _count(self, kind: Channels) -> int:
        """Return how many channels of a kind the whole model has."""
        if kind is Channels.ATTENTION:
            return self.config.n_embd
        return self.config.feed_forward_width if kind is Channels.HIDDEN else self.config.vocab_size


def share(config: GPT2Config, rank: int, ranks: int) -> SliceRange:
    """Return the slices of process `rank` of `ranks`."""
    return SliceRange(config, config.n_head * rank // ranks, config.n_head * (rank + 1) // ranks)


def side_by_side(parts: "Sequence[Sequence[array[float]]]") -> list[list[float]]:  # [ranks][T][own] -> [T][all]
    """Return the whole vectors, from the parts of every process."""
    return [list(chain.from_iterable(own)) for own in zip(*parts, strict=True)]


def _cuts(length: int, slices: int, first: int, last: int) -> tuple[int, int]:
    """Return where slices first, ..., last - 1 of `length` channels begin and end: all of the same even size."""
    size = 2 * -(-length // (2 * slices))
    return min(first * size, length), min(last * size, length)
