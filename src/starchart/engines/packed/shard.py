"""A shard is the part of a model that one process has: some slices of every matrix, and what it computes with them.

Every process has one shard, this process too. `process_group` calls the same method of all shards and collects the
results. Vectors come as arrays of whole numbers a_i + M with the unit 1/s, or as floats where they are the shard's own
channels. A shard keeps the outputs of its attention heads and its hidden channels under a number until it is told to
forget that number: `ShardGroup` does so when the `Handle` with the number was garbage-collected.

In shapes, `own` counts the columns or channels that this shard has, and `groups` its groups of up to 64 rows.
"""

from array import array
from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

from starchart.engines.packed.arithmetic.attention_cache import AttentionCache
from starchart.engines.packed.arithmetic.candidate_pruning import Candidate, PruningQuery, exact_logits, find_candidates
from starchart.engines.packed.arithmetic.lanes import Precision
from starchart.engines.packed.arithmetic.packed_matrix import PackedMatrix
from starchart.engines.packed.arithmetic.packed_product import MatrixSums, RoundedVector, apply, multiply
from starchart.engines.packed.arithmetic.quantised_vectors import VectorScales, group_norms, round_vector
from starchart.engines.packed.handles import Handles, KeptVectors
from starchart.engines.packed.process_group import ProcessGroup
from starchart.engines.packed.shard_filling import ShardFiller
from starchart.engines.packed.slices import OUTPUT_PROJECTION, Layer, SliceRange, linear_layers
from starchart.layers.scaled_dot_product_attention import join_heads, split_heads
from starchart.tap import Tap
from starchart.utils.activations import activate
from starchart.utils.masked_softmax import masked_softmax
from starchart.utils.matrix import Matrix, Vector


class Shard:
    """Some slices of every matrix, with the keys and values of their attention heads."""

    def __init__(self, slices: SliceRange, precision: Precision) -> None:
        self.slices = slices
        self.filler = ShardFiller(slices, precision.pruning)
        self.matrices, self.biases = self.filler.matrices, self.filler.biases
        self._attention = precision.attention
        self._layers = linear_layers(slices.config.n_layer)
        self._caches: dict[int, list[AttentionCache]] = {}  # number -> [H]
        self._kept: dict[int, list[Vector]] = {}  # number -> [T][own]
        self._norms: dict[int, list[list[float]]] = {}  # number -> [T][groups]

    def forgetting(self, numbers: Sequence[int], method: str, arguments: tuple[Any, ...]) -> Any:
        """Free the vectors and caches under some numbers; then call a method and return its result."""
        for number in numbers:
            self._caches.pop(number, None)
            self._kept.pop(number, None)
            self._norms.pop(number, None)
        return getattr(self, method)(*arguments)

    def linear(self, name: str, vectors: Sequence[RoundedVector]) -> "list[array[float]]":  # [T][in] -> [T][own]
        """Return the outputs of a layer that this shard owns, with their biases."""
        return [array("d", row) for row in apply(self.matrices[name], vectors, self.biases[name])]

    def attend(
        self, name: str, vectors: Sequence[RoundedVector], cache: int, scale: float, number: int
    ) -> list[list[float]]:  # [T][C] -> [T][groups]
        """Compute attention for this shard's heads, queries, keys and values too, and keep their outputs.

        Returns the norm of every group of them for every token.
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
        return self._keep(join_heads(self.mix(cache, pattern)), name, number)

    def append(self, name: str, cache: int, keys: Sequence[Matrix], values: Sequence[Matrix]) -> None:  # [H][T][D]
        """Add new tokens to a cache, for this shard's heads."""
        heads = self._caches.setdefault(cache, [])
        if not heads:
            heads += [AttentionCache(self._attention, name) for _ in range(self.slices.heads)]
        for head, new_keys, new_values in zip(heads, keys, values, strict=True):
            for key, value in zip(new_keys, new_values, strict=True):
                head.append(key, value)

    def scores(self, cache: int, queries: Sequence[Matrix], scale: float) -> list[list[list[float]]]:
        """Return scale times queries times keys of this shard's heads: [H][T][D] -> [H][T][S]."""
        return [
            [head.scores(query, scale) for query in rows]
            for head, rows in zip(self._caches[cache], queries, strict=True)
        ]

    def mix(self, cache: int, pattern: Sequence[Matrix]) -> list[list[list[float]]]:  # [H][T][S] -> [H][T][D]
        """Return the values of this shard's heads, weighted by the pattern."""
        return [[head.mix(row) for row in rows] for head, rows in zip(self._caches[cache], pattern, strict=True)]

    def logits(self, vectors: Sequence[RoundedVector]) -> "list[array[float]]":  # [T][C] -> [T][own]
        """Return the logits of this shard's part of the vocabulary."""
        rows = [array("d") for _ in vectors]
        for matrix, tokens in self._with_tokens(self.filler.vocabulary):
            for row, own in zip(rows, apply(matrix, vectors, [0.0] * len(tokens)), strict=True):
                row.extend(own)
        return rows

    def find_candidates(self, query: PruningQuery) -> list[Candidate]:
        """Return the tokens of this shard that may be among the likeliest."""
        return find_candidates(query, self._with_tokens(self.filler.pruning))

    def exact_logits(self, vector: RoundedVector, rows: Matrix, scales: Vector) -> list[float]:  # [n][C], [n] -> [n]
        """Return the logits of any tokens, of other shards too, from their rows of the table."""
        return exact_logits(vector, rows, scales, self.filler.lanes[OUTPUT_PROJECTION.name])

    def fork(self, cache: int, copy: int) -> None:
        """Copy a cache."""
        self._caches[copy] = [head.copy() for head in self._caches.get(cache, [])]

    def activate(
        self, name: str, vectors: Sequence[RoundedVector], activation: str, number: int
    ) -> list[list[float]]:  # [T][C] -> [T][groups]
        """Compute this shard's hidden channels and keep them; return the norm of every group for every token."""
        count = len(self.slices.channels(self._layers[name].channels))  # without padding
        hidden = activate([row[:count] for row in self.linear(name, vectors)], activation)
        return self._keep(hidden, name, number)

    def receive(self, name: str, rows: Matrix, number: int) -> list[list[float]]:  # [T][own] -> [T][groups]
        """Keep this shard's part of the inputs of a layer; return the norm of every group for every token."""
        return self._keep(rows, name, number)

    def kept(self, number: int) -> "list[array[float]]":  # -> [T][own]
        """Return what is kept under a number."""
        return [array("d", row) for row in self._kept[number]]

    def project(
        self, name: str, number: int, scales: Sequence[VectorScales], bound: int
    ) -> list[MatrixSums]:  # [T] -> [T]
        """Return this shard's part of every sum of a layer whose rows are cut, for the vectors kept under a number."""
        matrix = self.matrices[name]
        kept = zip(self._kept[number], self._norms[number], scales, strict=True)
        return multiply(
            [round_vector(row, matrix.sizes, norms, own, bound, matrix.lanes) for row, norms, own in kept], matrix
        )

    def _with_tokens(self, matrices: Mapping[int, PackedMatrix]) -> list[tuple[PackedMatrix, range]]:
        """Return the matrices of some slices, each with the slice's part of the vocabulary."""
        return [(matrix, self.slices.tokens(slice_)) for slice_, matrix in matrices.items()]

    def _keep(self, rows: Sequence[Vector], name: str, number: int) -> list[list[float]]:  # [T][own] -> [T][groups]
        """Keep inputs of a layer whose rows are cut. `name` is that layer, or the one that it follows."""
        self._kept[number] = list(rows)
        layer = self._layers[name].following or self._layers[name]
        sizes = self.slices.group_sizes(layer)
        self._norms[number] = [group_norms(row, sizes, layer.name) for row in rows]
        return self._norms[number]


class ShardGroup(ProcessGroup):
    """The shards of one model. They free what they keep for handles that were garbage-collected."""

    def __init__(self, shares: Sequence[SliceRange], precision: Precision) -> None:
        super().__init__([Shard(slices, precision) for slices in shares])
        self.handles = Handles()
        self.shares = shares  # by rank

    def call_each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method of every shard, each with its own arguments; return the results by rank.

        The same message says which numbers to forget.
        """
        dead = self.handles.dead()
        if not dead:
            return super().call_each(method, arguments)
        results = super().call_each("forgetting", [(dead, method, own) for own in arguments])
        self.handles.forget(dead)
        return results

    def attend_by_steps(
        self, name: str, qkv: Matrix, cache: int, n_head: int, scale: float, tap: Tap
    ) -> list[list[float]]:  # [T][3C] -> [T][C]
        """Return causal attention, heads joined, computed one step at a time, with a tap after each."""
        parts = split_heads(qkv, 3 * n_head)
        queries = tap("q", parts[:n_head])
        keys = tap("k", parts[n_head : 2 * n_head])
        values = tap("v", parts[2 * n_head :])
        heads = [slice(slices.first, slices.last) for slices in self.shares]
        self.call_each("append", [(name, cache, keys[own], values[own]) for own in heads])
        found = self.call_each("scores", [(cache, queries[own], scale) for own in heads])
        pattern = tap("pattern", [masked_softmax(rows) for rows in tap("scores", list(chain.from_iterable(found)))])
        found = self.call_each("mix", [(cache, pattern[own]) for own in heads])
        return join_heads(tap("z", list(chain.from_iterable(found))))

    def exact_logits(self, vector: RoundedVector, rows: Matrix, scales: Vector) -> list[float]:  # [n][C], [n] -> [n]
        """Return the logits of any tokens from their rows of the table. Each process computes some of them."""
        cuts = [len(rows) * rank // self.size for rank in range(self.size + 1)]
        parts = [(vector, rows[a:b], scales[a:b]) for a, b in pairwise(cuts)]
        return list(chain.from_iterable(self.call_each("exact_logits", parts)))

    def distribute(self, x: Matrix, layer: Layer) -> KeptVectors:  # [T][in]
        """Give every shard its channels of some inputs of a layer whose rows are cut."""
        owned = [slices.rows(layer) for slices in self.shares]
        return self.keep("receive", layer, [([row[own.start : own.stop] for row in x],) for own in owned])

    def keep(self, method: str, layer: Layer, arguments: Sequence[tuple[Any, ...]]) -> KeptVectors:
        """Call a method of every shard that computes vectors with a layer, keeps them, and returns their norms."""
        handle = self.handles.new()
        norms = self.call_each(method, [(layer.name, *own, handle.number) for own in arguments])
        return KeptVectors(handle, [list(chain.from_iterable(own)) for own in zip(*norms, strict=True)], layer.channels)
