"""What one process has of a model, and what it computes with it.

Every process has a Shard, this one too. `process_group` calls the same method of all of them and gathers what they
return. Vectors come as arrays of whole numbers a_i + M and the unit 1/s, or as floats where they are this shard's own.
What a shard found for itself (heads, hidden channels) it keeps under a number, until that is forgotten.
"""

from array import array
from collections.abc import Sequence
from typing import Any

from starchart.engines.packed.arithmetic.attention_cache import HeadCache
from starchart.engines.packed.arithmetic.candidate_pruning import Candidate, Look, exact_logits, possible_winners
from starchart.engines.packed.arithmetic.lanes import Precision
from starchart.engines.packed.arithmetic.packed_matrix import (
    LaneSums,
    PackedMatrix,
    Rounded,
    apply,
    in_groups,
    multiply,
)
from starchart.engines.packed.arithmetic.quantisation import fits, largest_norm, round_vector
from starchart.engines.packed.handles import Kept, Names, kind_of
from starchart.engines.packed.process_group import ProcessGroup
from starchart.engines.packed.shard_filling import ShardFiller
from starchart.engines.packed.slices import HEAD, SCREEN, SliceRange
from starchart.utils.activations import activate
from starchart.utils.masked_softmax import masked_softmax
from starchart.utils.matrix import Matrix, Vector


class Shard:
    """Some slices of every matrix, with the keys and values of their heads."""

    def __init__(self, slices: SliceRange, precision: Precision) -> None:
        self.slices = slices
        self.filler = ShardFiller(slices, precision.weights, precision.screen)
        self.matrices, self.biases = self.filler.matrices, self.filler.biases
        self._lanes, self._attention = precision.weights, precision.attention
        self._heads: dict[int, list[HeadCache]] = {}
        self._kept: dict[int, list[Vector]] = {}  # number -> [T][own]

    def forgetting(self, numbers: Sequence[int], method: str, arguments: tuple[Any, ...]) -> Any:
        """Let go of what is kept under some numbers, caches too; then call a method and return its result."""
        for number in numbers:
            self._heads.pop(number, None)
            self._kept.pop(number, None)
        return getattr(self, method)(*arguments)

    def linear(self, name: str, vectors: Sequence[Rounded]) -> "list[array[float]]":  # [T][in] -> [T][own]
        """Return the outputs of a layer that this shard owns, with their biases."""
        return [array("d", row) for row in apply(self.matrices[name], vectors, self.biases[name])]

    def attend(
        self, name: str, vectors: Sequence[Rounded], cache: int, scale: float, following: str, number: int
    ) -> list[float]:  # [T][C] -> [T]
        """Compute queries, keys and values of this shard's heads, and keep what the heads find with them.

        Returns the norm of it for every token, for the layer called `following`.
        """
        size = self.slices.config.n_embd // self.slices.config.n_head
        stride = 3 * size + size % 2  # an odd number of lanes has one more
        rows = self.linear(name, vectors)
        starts = [stride * head for head in range(self.slices.heads)]
        queries, keys, values = (
            [[row[start + part * size : start + (part + 1) * size] for row in rows] for start in starts]
            for part in range(3)
        )
        self.append(name, cache, keys, values)
        pattern = [masked_softmax(rows) for rows in self.scores(cache, queries, scale)]
        return self._keep(_joined(self.mix(cache, pattern)), following, number)

    def append(self, name: str, cache: int, keys: Sequence[Matrix], values: Sequence[Matrix]) -> None:  # [H][T][D]
        """Add new tokens to a cache, for this shard's heads."""
        heads = self._heads.setdefault(cache, [])
        if not heads:
            heads += [HeadCache(self._attention, name) for _ in range(self.slices.heads)]
        for head, new_keys, new_values in zip(heads, keys, values, strict=True):
            for key, value in zip(new_keys, new_values, strict=True):
                head.append(key, value)

    def scores(self, cache: int, queries: Sequence[Matrix], scale: float) -> list[list[list[float]]]:
        """Return scale times queries times keys of this shard's heads: [H][T][D] -> [H][T][S]."""
        return [
            [head.scores(query, scale) for query in rows]
            for head, rows in zip(self._heads[cache], queries, strict=True)
        ]

    def mix(self, cache: int, pattern: Sequence[Matrix]) -> list[list[list[float]]]:  # [H][T][S] -> [H][T][D]
        """Return the values of this shard's heads, weighted by the pattern."""
        return [[head.mix(row) for row in rows] for head, rows in zip(self._heads[cache], pattern, strict=True)]

    def logits(self, vectors: Sequence[Rounded]) -> "list[array[float]]":  # [T][C] -> [T][own]
        """Return the logits of this shard's part of the vocabulary."""
        rows = [array("d") for _ in vectors]
        for matrix, tokens in self._vocabulary(HEAD):
            for row, own in zip(rows, apply(matrix, vectors, [0.0] * len(tokens)), strict=True):
                row.extend(own)
        return rows

    def possible_winners(self, look: Look) -> list[Candidate]:
        """Return the tokens of this shard that may be among the likeliest."""
        return possible_winners(look, self._vocabulary(SCREEN))

    def exact_logits(self, vector: Rounded, rows: Matrix, scales: Vector) -> list[float]:  # [n][C], [n] -> [n]
        """Return the logits of some tokens, whoever's they are, from their rows of the table."""
        return exact_logits(vector, rows, scales, self._lanes)

    def fork(self, cache: int, copy: int) -> None:
        """Copy a cache."""
        self._heads[copy] = [head.copy() for head in self._heads.get(cache, [])]

    def activate(
        self, name: str, vectors: Sequence[Rounded], activation: str, following: str, number: int
    ) -> list[float]:  # [T][C] -> [T]
        """Compute this shard's hidden channels and keep them; return their norms for the layer called `following`."""
        hidden = activate([row[: len(self.slices.hidden())] for row in self.linear(name, vectors)], activation)
        return self._keep(hidden, following, number)

    def give(self, rows: Matrix, following: str, number: int) -> list[float]:  # [T][own] -> [T]
        """Keep this shard's part of some vectors; return the norms."""
        return self._keep(rows, following, number)

    def kept(self, number: int) -> "list[array[float]]":  # -> [T][own]
        """Return what is kept under a number."""
        return [array("d", row) for row in self._kept[number]]

    def project(self, name: str, number: int, scales: Sequence[float], bound: int) -> list[list[LaneSums]]:  # [T] ->
        """Return this shard's part of the product of what it keeps with a layer: sums for every token and block."""
        matrix, rows = self.matrices[name], self._kept[number]
        vectors = [rounded_groups(row, scale, matrix, bound) for row, scale in zip(rows, scales, strict=True)]
        return multiply(vectors, matrix)

    def _vocabulary(self, kind: str) -> list[tuple[PackedMatrix, range]]:
        numbers = range(self.slices.first, self.slices.last)
        parts = [(self.matrices.get(f"{kind}.{number}"), self.slices.tokens(number)) for number in numbers]
        return [(matrix, tokens) for matrix, tokens in parts if matrix]

    def _keep(self, rows: Sequence[Vector], following: str, number: int) -> list[float]:
        self._kept[number] = list(rows)
        sizes = self.slices.sizes(following)
        return [largest_norm(row, sizes, following) for row in rows]


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


def rounded_groups(row: Vector, scale: float, matrix: PackedMatrix, bound: int) -> list[Sequence[int]]:
    """Return a_i + M in groups for a vector and its s. No lane overflows: asserted."""
    groups = in_groups(round_vector(row, scale, matrix.lanes.offset).tolist(), matrix.sizes)
    assert fits(groups, matrix.lanes.offset, bound, matrix.lanes)
    return groups


def _joined(heads: Sequence[Any]) -> list[list[float]]:  # [H][T][D] -> [T][H D]
    return [[value for part in parts for value in part] for parts in zip(*heads, strict=True)]
