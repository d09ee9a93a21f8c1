"""The packed engine: every matrix in lanes, everything between them as in the reference engine.

Linear layers are computed late. The engine hands on what a layer is to be applied to, and the next operation decides:
`attend` and `activation` do the layer and themselves where its columns are, on every shard at once; `to_lists` gathers
the outputs. Taps see lists, so with a tap each operation is done by itself; the bits are the same.
"""

from array import array
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain, count, pairwise
from math import inf
from operator import add as add_numbers
from typing import Any

from starchart.checkpoints.stored_tensor import rows_of
from starchart.embeddings.embedding_lookup import EmbeddingWeights
from starchart.engines import reference
from starchart.engines.layout import lay_out_matrices, linear_layers
from starchart.engines.packed.filling import Progress, Unpacked, fill
from starchart.engines.packed.limits import refuse_too_many_positions, refuse_too_many_rows
from starchart.engines.packed.memory import refuse_if_too_large
from starchart.engines.packed.pack_cache import PackCache
from starchart.engines.packed.packed_matrix import Rounded, products
from starchart.engines.packed.precision import FAST, FULL, Precision
from starchart.engines.packed.process_group import ProcessGroup
from starchart.engines.packed.rounding import round_for, scale_for
from starchart.engines.packed.screening import MOST_CANDIDATES, Candidate, look_at, winners
from starchart.engines.packed.shard import Shard
from starchart.engines.packed.slices import HEAD, SliceRange, share
from starchart.engines.packed.values import AttentionCache, CacheName, Deferred, Kept, PackedLayer
from starchart.engines.packed.workers import number_of_workers
from starchart.errors import EngineError
from starchart.layers.attention_heads import join_heads, split_heads
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starchart.tap import Tap, no_tap
from starchart.utils.masked_softmax import masked_softmax
from starchart.utils.matrix import Matrix, Vector


class PackedEngine:
    """The operations of `starchart.engine.Engine` over big integers, on one process or several.

    `workers`: how many processes compute, this one included; None: what suits the model and the machine. `cache`: where
    packed models are kept. `progress` is called with what is done, how much of it, and of how much. One engine is for
    one model.
    """

    embed = staticmethod(reference.embed)
    layer_norm = staticmethod(reference.layer_norm)
    add = staticmethod(reference.add)
    from_lists = staticmethod(reference.from_lists)

    _group: ProcessGroup
    _slices: SliceRange  # all of them
    _shares: list[SliceRange]  # by rank
    _head_rows: Matrix  # [V][C]

    def __init__(
        self,
        precision: Precision = FULL,
        workers: int | None = 1,
        cache: PackCache | None = None,
        progress: Progress = lambda what, done, total: None,
    ) -> None:
        self._precision = precision
        self._wanted = workers
        self._cache = cache
        self._progress = progress
        self._numbers = count()  # of attention caches
        self._forgotten: list[int] = []
        self._latest = "attn"  # layer computed late: lists have no name, and `attend` is to say where they are from

    def prepare(self, weights: GPTModelWeights, config: GPT2Config) -> Any:
        """Return the weights with every linear layer and the head packed, and spread over the processes.

        Raises CheckpointError for numbers that cannot be weights, EngineError for too little memory or too many rows.
        """
        if hasattr(self, "_group"):
            raise EngineError("this engine has a model already; make another PackedEngine")
        ranks = number_of_workers(config, self._wanted)
        refuse_if_too_large(config, self._precision, ranks, tables=2 if weights.lm_head else 1)
        self._slices = share(config, 0, 1)
        self._shares = [share(config, rank, ranks) for rank in range(ranks)]
        self._group = ProcessGroup([Shard(slices, self._precision) for slices in self._shares])
        try:
            layers, head = dict(linear_layers(weights)), (weights.lm_head or weights.wte).weight
            refuse_too_many_rows(layers, self._slices, self._precision.weights)
            refuse_too_many_positions(config, self._precision.attention)
            model = Unpacked(layers, head, config, self._precision)
            bounds = fill(self._group, model, self._cache, self._progress)
            prepared: Any = lay_out_matrices(
                weights, lambda name, _: PackedLayer(name, bounds[name]), lambda _, table: rows_of(table)
            )
        except BaseException:
            self._group.close()
            raise
        self._head_rows = (prepared.lm_head or prepared.wte).weight
        head_layer: Any = PackedLayer(HEAD, bounds[HEAD])
        return replace(prepared, lm_head=EmbeddingWeights(head_layer))

    def __repr__(self) -> str:
        precision = {FULL: "full", FAST: "fast"}.get(self._precision, str(self._precision))
        workers = f", {self.workers} worker{'s' * (self.workers != 1)}" if hasattr(self, "_group") else ""
        return f"PackedEngine({precision}{workers})"

    @property
    def workers(self) -> int:
        """How many processes compute, this one included."""
        return self._group.size

    def linear(self, x: Any, weight: PackedLayer, bias: Vector) -> Any:  # [T][in] -> [T][out]
        """Return x W + bias, to be computed later, or at once where the rows of W are cut into slices.

        `bias` must be the one that was prepared with the weight: the shards have their parts of it.
        """
        if not weight.name.endswith("c_proj"):
            self._latest = weight.name
            return Deferred(x, weight)
        norms = x.norms if isinstance(x, Kept) else self._give(x, weight.name)
        scales = [scale_for(norm, weight.bound, self._precision.weights) for norm in norms]
        matrix = self._group.shard.matrices[weight.name]
        rows = []
        for scale, *parts in zip(scales, *self._group.call("project", weight.name, scales, weight.bound), strict=True):
            sums = [reduce(add_numbers, block) for block in zip(*parts, strict=True)]
            rows.append(products(sums, matrix, 1.0 / scale, bias))
        return rows

    def activation(self, x: Any, name: str) -> Any:  # [T][F] -> [T][F]
        """Return the activation function of every entry."""
        if not isinstance(x, Deferred):
            return reference.activation(x, name)
        following = x.layer.name.replace("c_fc", "c_proj")
        return _kept(self._group.call("activate", x.layer.name, self._rounded(x), name, following))

    def attend(
        self, qkv: Any, cache: AttentionCache, n_head: int, scale: float, tap: Tap
    ) -> tuple[Any, AttentionCache]:  # [T][3C] -> [T][C]
        """Return causal attention, heads joined, and the cache with the new tokens in it."""
        cache = cache.take()
        forgotten = self._forgotten[:]
        if forgotten:
            del self._forgotten[: len(forgotten)]
            self._group.call("forget", forgotten)
        if not isinstance(qkv, Deferred) or tap is not no_tap:
            return self._attend_by_steps(self.to_lists(qkv), cache.name.number, n_head, scale, tap), cache
        name, vectors = qkv.layer.name, self._rounded(qkv)
        following = name.replace("c_attn", "c_proj")
        return _kept(self._group.call("attend", name, vectors, cache.name.number, scale, following)), cache

    def output_projection(self, x: Matrix, table: PackedLayer, last_only: bool) -> Deferred:  # [T][C] -> [T][V]
        """Return the logits, to be computed later: all of them by `to_lists`, the largest by `top_logits`."""
        return Deferred(x[-1:] if last_only else x, table)

    def top_logits(self, logits: Deferred, count: int) -> Sequence[float]:  # [T][V] -> [V]
        """Return the last row, with -inf for tokens that are certainly not among the `count` likeliest."""
        if not isinstance(logits, Deferred):
            return self.to_lists(logits)[-1]  # a tap has seen them all
        last = Deferred(logits.x[-1:], logits.layer)
        screen, lanes = self._precision.screen, self._precision.weights
        if screen and 0 < count <= MOST_CANDIDATES:
            vector = self._rounded(last)[0]
            dropped = lanes.weight_bits - screen.weight_bits
            look = look_at(last.x[0], vector[1], last.layer.bound, dropped, screen, count)
            found = winners(list(chain.from_iterable(self._group.call("possible_winners", look))), look)
            if len(found) <= MOST_CANDIDATES:
                return self._only(found, vector, dropped)
        row: Sequence[float] = self.to_lists(last)[0]
        return row

    def to_lists(self, array: Any) -> Any:
        """Return a value as nested lists of floats."""
        if isinstance(array, Kept):
            return _side_by_side(self._group.call("kept"))
        if not isinstance(array, Deferred):
            return array
        name = array.layer.name
        if name == HEAD:
            return _side_by_side(self._group.call("logits", self._rounded(array)))
        return self._slices.in_order(name, _side_by_side(self._group.call("linear", name, self._rounded(array))))

    def log_probabilities(self, logits: Deferred, ids: Sequence[int]) -> list[float]:  # [T][V], [T] -> [T]
        """Return the log-probability of each of `ids` in its row."""
        return reference.log_probabilities(self.to_lists(logits), ids)

    def new_cache(self, n_head: int) -> AttentionCache:
        """Return the cache of a block that has seen nothing."""
        return AttentionCache(CacheName(next(self._numbers), self._forgotten))

    def fork(self, cache: AttentionCache) -> AttentionCache:
        """Return a copy of a cache."""
        copy = AttentionCache(CacheName(next(self._numbers), self._forgotten))
        self._group.call("fork", cache.name.number, copy.name.number)
        return copy

    def close(self) -> None:
        """End the worker processes."""
        if hasattr(self, "_group"):
            self._group.close()

    def _rounded(self, layer: Deferred) -> list[Rounded]:
        """Return the vectors that a layer is applied to as whole numbers. No lane overflows: asserted."""
        return [round_for(row, layer.layer.bound, self._precision.weights, layer.layer.name) for row in layer.x]

    def _only(self, tokens: Sequence[Candidate], vector: Rounded, dropped: int) -> list[float]:  # -> [V]
        """Return the exact logits of some tokens, -inf for all others. The ranks share the work."""
        ids = [token for _, _, token in tokens]
        scales = [scale / (1 << dropped) for _, scale, _ in tokens]
        cuts = [len(ids) * rank // self._group.size for rank in range(self._group.size + 1)]
        shares = [(vector, [self._head_rows[token] for token in ids[a:b]], scales[a:b]) for a, b in pairwise(cuts)]
        row = [-inf] * len(self._head_rows)
        for token, logit in zip(ids, chain.from_iterable(self._group.call_each("exact_logits", shares)), strict=True):
            row[token] = logit
        return row

    def _attend_by_steps(
        self, qkv: Matrix, cache: int, n_head: int, scale: float, tap: Tap
    ) -> list[list[float]]:  # [T][3C] -> [T][C]
        parts = split_heads(qkv, 3 * n_head)
        queries = tap("q", parts[:n_head])
        keys = tap("k", parts[n_head : 2 * n_head])
        values = tap("v", parts[2 * n_head :])
        shares = [(slices.first, slices.last) for slices in self._shares]
        self._group.call_each("append", [(self._latest, cache, keys[a:b], values[a:b]) for a, b in shares])
        own = self._group.call_each("scores", [(cache, queries[a:b], scale) for a, b in shares])
        pattern = tap("pattern", [masked_softmax(rows) for rows in tap("scores", list(chain.from_iterable(own)))])
        own = self._group.call_each("mix", [(cache, pattern[a:b]) for a, b in shares])
        return join_heads(tap("z", list(chain.from_iterable(own))))

    def _give(self, x: Matrix, following: str) -> Sequence[float]:  # [T][in] -> [T]
        """Give every shard its part of some vectors; return their norms."""
        owned = [slices.rows(following) for slices in self._shares]
        parts = [([row[own.start : own.stop] for row in x], following) for own in owned]
        return _kept(self._group.call_each("give", parts)).norms


def _kept(norms: Sequence[Sequence[float]]) -> Kept:  # [ranks][T]
    return Kept([max(own) for own in zip(*norms, strict=True)])


def _side_by_side(parts: Sequence[Sequence["array[float]"]]) -> list[list[float]]:  # [ranks][T][own] -> [T][all]
    return [reduce(add_numbers, own).tolist() for own in zip(*parts, strict=True)]
