"""How a model is cut: into as many slices as it has heads, of which each process takes some.

    slice p    queries, keys and values of head p        columns of c_attn
               what head p found                         rows of attn.c_proj
               a part of the hidden channels             columns of c_fc, rows of mlp.c_proj
               a part of the vocabulary                  columns of the head (wte transposed)

A product whose columns are cut needs the whole vector and gives some of its outputs; one whose rows are cut takes
what the process has already and gives a part of every sum. So a process goes from a whole vector to partial sums by
itself; on the way it gives one number, its largest norm, and gets one, the scale for all. Source: Shoeybi et al. 2019,
Megatron-LM, section 3.

The slices do not depend on how many processes there are, and the bits do not depend on the slices: see
`packed_matrix`.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from starchart.engines.packed.arithmetic.packed_matrix import group_sizes
from starchart.model.config import GPT2Config
from starchart.utils.matrix import Matrix

HEAD = "lm_head"
SCREEN = "screen"


@dataclass(frozen=True)
class SliceRange:
    """The slices of one process: from `first` up to `last` without it, as in a range."""

    config: GPT2Config
    first: int
    last: int

    @property
    def heads(self) -> int:
        """How many heads these slices have."""
        return self.last - self.first

    def hidden(self) -> range:
        """Return the hidden channels of these slices."""
        return range(*_cuts(self.config.feed_forward_width, self.config.n_head, self.first, self.last))

    def tokens(self, slice_: int) -> range:
        """Return the part of the vocabulary of one slice."""
        return range(*_cuts(self.config.vocab_size, self.config.n_head, slice_, slice_ + 1))

    def columns(self, name: str) -> list[list[range]]:
        """Return the columns of a layer that each of these slices owns, in the order of their lanes.

        Where the rows are cut, there is one list with all columns.
        """
        if name.endswith("c_attn"):
            size, channels = self.config.n_embd // self.config.n_head, self.config.n_embd
            starts = [[part * channels + head * size for part in range(3)] for head in range(self.first, self.last)]
            return [[range(start, start + size) for start in parts] for parts in starts]
        if name.endswith("c_fc"):
            return [[part.hidden()] for part in self.single()]
        return [[range(self.config.n_embd)]]

    def rows(self, name: str) -> range:
        """Return the rows of a layer that these slices own: all of them where its columns are cut."""
        if name.endswith("attn.c_proj"):
            size = self.config.n_embd // self.config.n_head
            return range(self.first * size, self.last * size)
        return self.hidden() if name.endswith("mlp.c_proj") else range(self.config.n_embd)

    def sizes(self, name: str) -> list[int]:
        """Return the sizes of the groups of these rows: a group lies within one slice where rows are cut."""
        if not name.endswith("c_proj"):
            return group_sizes(self.config.n_embd)
        return [size for part in self.single() for size in group_sizes(len(part.rows(name)))]

    def single(self) -> "list[SliceRange]":
        """Return these slices one by one."""
        return [SliceRange(self.config, n, n + 1) for n in range(self.first, self.last)]

    def in_order(self, name: str, rows: Matrix) -> list[list[float]]:  # [T][lanes] -> [T][out]
        """Return a layer's outputs by column. They are given by lane, those of all slices, with what fills them up."""
        columns: list[int | None] = []
        for ranges in self.columns(name):
            columns += [column for part in ranges for column in part]
            columns += [None] * (len(columns) % 2)
        places = {column: lane for lane, column in enumerate(columns) if column is not None}
        return [[row[places[column]] for column in range(len(places))] for row in rows]


def share(config: GPT2Config, rank: int, ranks: int) -> SliceRange:
    """Return the slices of process `rank` of `ranks`."""
    return SliceRange(config, config.n_head * rank // ranks, config.n_head * (rank + 1) // ranks)


def side_by_side(parts: "Sequence[Sequence[array[float]]]") -> list[list[float]]:  # [ranks][T][own] -> [T][all]
    """Return vectors whose parts are given by process."""
    return [list(chain.from_iterable(own)) for own in zip(*parts, strict=True)]


def _cuts(length: int, slices: int, first: int, last: int) -> tuple[int, int]:
    """Return where slices first to last of so many channels begin and end: slices of the same even size."""
    size = 2 * -(-length // (2 * slices))
    return min(first * size, length), min(last * size, length)
