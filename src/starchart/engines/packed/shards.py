"""The shards of one model together, and the names of what they keep for this process."""

from collections.abc import Sequence
from typing import Any

from starchart.engines.packed.names import Names
from starchart.engines.packed.precision import Precision
from starchart.engines.packed.process_group import ProcessGroup
from starchart.engines.packed.shard import Shard
from starchart.engines.packed.slices import SliceRange
from starchart.engines.packed.values import Kept, kind_of
from starchart.utils.matrix import Matrix


class Shards(ProcessGroup):
    """A process group of shards, which forget what nobody has a name for any more."""

    def __init__(self, shares: Sequence[SliceRange], precision: Precision) -> None:
        super().__init__([Shard(slices, precision) for slices in shares])
        self.names = Names()
        self.shares = shares  # by rank

    def call_each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method of every shard, each with its own arguments; return the results by rank.

        The same message says what to forget.
        """
        ended = self.names.ended()
        if not ended:
            return super().call_each(method, arguments)
        results = super().call_each("forgetting", [(ended, method, own) for own in arguments])
        self.names.forget(ended)
        return results

    def give(self, x: Matrix, following: str) -> Kept:  # [T][in]
        """Give every shard its part of some vectors, for the layer called `following`."""
        owned = [slices.rows(following) for slices in self.shares]
        return self.keep("give", [([row[own.start : own.stop] for row in x],) for own in owned], following)

    def keep(self, method: str, arguments: Sequence[tuple[Any, ...]], following: str) -> Kept:
        """Call a method of every shard that keeps vectors for the layer called `following`, and returns their norms."""
        name = self.names.new()
        norms = self.call_each(method, [(*own, following, name.number) for own in arguments])
        return Kept(name, [max(own) for own in zip(*norms, strict=True)], kind_of(following))
