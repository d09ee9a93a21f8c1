"""The packed engine: every matrix in lanes, everything between them as in the reference engine.

Linear layers are computed late. The engine hands on what a layer is to be applied to, and the next operation decides:
`attend` and `activation` do the layer and themselves where its columns are, on every shard at once; `to_lists` gathers
the outputs. Taps see lists, so with a tap each operation is done by itself; the bits are the same.
"""

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain, pairwise
from math import inf
from operator import add as add_numbers
from typing import Any

from starchart.checkpoints.stored_tensor import rows_of
from starchart.embeddings.embedding_lookup import EmbeddingWeights
from starchart.engines import reference
from starchart.engines.layout import lay_out_matrices, linear_layers
from starchart.engines.packed.arithmetic.candidate_pruning import MOST_CANDIDATES, Candidate, look_at, winners
from starchart.engines.packed.arithmetic.lanes import FAST, FULL, Precision
from starchart.engines.packed.arithmetic.packed_matrix import Rounded, products
from starchart.engines.packed.arithmetic.quantisation import round_for, scale_for
from starchart.engines.packed.filling import Progress, Unpacked, fill
from starchart.engines.packed.handles import AttentionCache, Deferred, Kept, PackedLayer, refuse_foreign
from starchart.engines.packed.limits import (
    number_of_workers,
    refuse_if_too_large,
    refuse_too_many_positions,
    refuse_too_many_rows,
)
from starchart.engines.packed.pack_cache import PackCache
from starchart.engines.packed.shard import Shards
from starchart.engines.packed.slices import HEAD, SliceRange, share, side_by_side
from starchart.errors import EngineError
from starchart.layers.scaled_dot_product_attention import join_heads, split_heads
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starchart.tap import Tap, no_tap
from starchart.utils.masked_softmax import masked_softmax
from starchart.utils.matrix import Matrix, Vector


class _Latest(threading.local):
    """The layer that a thread computed late: lists have no name, and `attend` is to say where they are from."""

    name = "attn"


class PackedEngine:
    """The operations of `starchart.engine.Engine` over big integers, on one process or several.

    `workers`: how many processes compute, this one included; None: what suits the model and the machine. `cache`: where
    packed models are kept. `progress` is called with what is done, how much of it, and of how much. One engine is for
    one model. Threads may share it, and an interrupt ends one operation, not the engine.
    """

    embed = staticmethod(reference.embed)
    from_lists = staticmethod(reference.from_lists)

    _group: Shards
    _slices: SliceRange  # all of them
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
        self._latest = _Latest()

    def prepare(self, weights: GPTModelWeights, config: GPT2Config) -> Any:
        """Return the weights with every linear layer and the head packed, and spread over the processes.

        Raises CheckpointError for numbers that cannot be weights, EngineError for too little memory or too many rows.
        """
        if hasattr(self, "_group"):
            raise EngineError("this engine has a model already; make another PackedEngine")
        ranks = number_of_workers(config, self._wanted)
        refuse_if_too_large(config, self._precision, ranks, tables=2 if weights.lm_head else 1)
        self._slices = share(config, 0, 1)
        self._group = Shards([share(config, rank, ranks) for rank in range(ranks)], self._precision)
        try:
            layers, head = dict(linear_layers(weights)), (weights.lm_head or weights.wte).weight
            refuse_too_many_rows(layers, self._slices, self._precision)
            refuse_too_many_positions(config, self._precision)
            model = Unpacked(layers, head, config, self._precision)
            bounds, owner = fill(self._group, model, self._cache, self._progress), self._group.names
            prepared: Any = lay_out_matrices(
                weights, lambda name, _: PackedLayer(name, bounds[name], owner), lambda _, table: rows_of(table)
            )
        except BaseException:
            self._group.close()
            raise
        self._head_rows = (prepared.lm_head or prepared.wte).weight
        head_layer: Any = PackedLayer(HEAD, bounds[HEAD], owner)
        return replace(prepared, lm_head=EmbeddingWeights(head_layer))

    def __repr__(self) -> str:
        precision = {FULL: "full", FAST: "fast"}.get(self._precision, str(self._precision))
        workers = f", {self.workers} worker{'s' * (self.workers != 1)}" if hasattr(self, "_group") else ""
        return f"PackedEngine({precision}{workers})"

    @property
    def workers(self) -> int:
        """How many processes compute, this one included."""
        return self._group.size

    def add(self, a: Any, b: Any) -> list[list[float]]:  # [T][C], [T][C] -> [T][C]
        """Return a + b."""
        return reference.add(self.to_lists(a), self.to_lists(b))

    def layer_norm(self, x: Any, weight: Vector, bias: Vector, epsilon: float) -> list[list[float]]:  # [T][C] -> [T][C]
        """Return each row normalised to mean 0 and variance 1, times `weight` [C], plus `bias` [C]."""
        return reference.layer_norm(self.to_lists(x), weight, bias, epsilon)

    def linear(self, x: Any, weight: PackedLayer, bias: Vector) -> Any:  # [T][in] -> [T][out]
        """Return x W + bias, to be computed later, or at once where the rows of W are cut into slices.

        `bias` must be the one that was prepared with the weight: the shards have their parts of it.
        """
        refuse_foreign("linear", "weight", weight, self._group.names)
        if not weight.name.endswith("c_proj"):
            self._latest.name = weight.name
            return Deferred(self.to_lists(x), weight)
        if isinstance(x, Kept) and x.kind == weight.kind:
            refuse_foreign("linear", "input", x, self._group.names)
            kept = x
        else:
            kept = self._group.give(self.to_lists(x), weight.name)
        scales = [scale_for(norm, weight.bound, self._precision.weights) for norm in kept.norms]
        matrix = self._group.shard.matrices[weight.name]
        rows = []
        found = self._group.call("project", weight.name, kept.name.number, scales, weight.bound)
        for scale, *parts in zip(scales, *found, strict=True):
            sums = [reduce(add_numbers, block) for block in zip(*parts, strict=True)]
            rows.append(products(sums, matrix, 1.0 / scale, bias))
        return rows

    def activation(self, x: Any, name: str) -> Any:  # [T][F] -> [T][F]
        """Return the activation function of every entry."""
        if not isinstance(x, Deferred) or x.layer.kind != "mlp.c_fc":
            return reference.activation(self.to_lists(x), name)
        refuse_foreign("activation", "input", x, self._group.names)
        arguments = (x.layer.name, self._rounded(x), name)
        following = x.layer.name.replace("c_fc", "c_proj")
        return self._group.keep("activate", [arguments] * self.workers, following)

    def attend(
        self, qkv: Any, cache: AttentionCache, n_head: int, scale: float, tap: Tap
    ) -> tuple[Any, AttentionCache]:  # [T][3C] -> [T][C]
        """Return causal attention, heads joined, and the cache with the new tokens in it."""
        refuse_foreign("attend", "cache", cache, self._group.names)
        if not isinstance(qkv, Deferred) or qkv.layer.kind != "attn.c_attn" or tap is not no_tap:
            lists, cache = self.to_lists(qkv), cache.take()
            return self._attend_by_steps(lists, cache.valid_name().number, n_head, scale, tap), cache
        refuse_foreign("attend", "input", qkv, self._group.names)
        cache = cache.take()
        arguments = (qkv.layer.name, self._rounded(qkv), cache.valid_name().number, scale)
        following = qkv.layer.name.replace("c_attn", "c_proj")
        return self._group.keep("attend", [arguments] * self.workers, following), cache

    def output_projection(self, x: Any, table: PackedLayer, last_only: bool) -> Deferred:  # [T][C] -> [T][V]
        """Return the logits, to be computed later: all of them by `to_lists`, the largest by `top_logits`."""
        refuse_foreign("output_projection", "table", table, self._group.names)
        rows = self.to_lists(x)
        return Deferred(rows[-1:] if last_only else rows, table)

    def top_logits(self, logits: Any, count: int) -> Sequence[float]:  # [T][V] -> [V]
        """Return the last row, with -inf for tokens that are certainly not among the `count` likeliest."""
        screen, lanes = self._precision.screen, self._precision.weights
        last = Deferred(logits.x[-1:], logits.layer) if isinstance(logits, Deferred) else logits
        if screen and 0 < count <= MOST_CANDIDATES and isinstance(last, Deferred) and last.layer.name == HEAD:
            refuse_foreign("top_logits", "input", logits, self._group.names)
            vector = self._rounded(last)[0]
            dropped = lanes.weight_bits - screen.weight_bits
            look = look_at(last.x[0], vector[1], last.layer.bound, dropped, screen, count)
            found = winners(list(chain.from_iterable(self._group.call("possible_winners", look))), look)
            if len(found) <= MOST_CANDIDATES:
                return self._only(found, vector, dropped)
        row: Sequence[float] = self.to_lists(last)[-1]
        return row

    def to_lists(self, array: Any) -> Any:
        """Return a value as nested lists of floats."""
        if not isinstance(array, Deferred | Kept):
            return array
        refuse_foreign("to_lists", "input", array, self._group.names)
        if isinstance(array, Kept):
            return side_by_side(self._group.call("kept", array.name.number))
        name = array.layer.name
        if name == HEAD:
            return side_by_side(self._group.call("logits", self._rounded(array)))
        return self._slices.in_order(name, side_by_side(self._group.call("linear", name, self._rounded(array))))

    def log_probabilities(self, logits: Any, ids: Sequence[int]) -> list[float]:  # [T][V], [T] -> [T]
        """Return the log-probability of each of `ids` in its row."""
        return reference.log_probabilities(self.to_lists(logits), ids)

    def new_cache(self, n_head: int) -> AttentionCache:
        """Return the cache of a block that has seen nothing."""
        return AttentionCache(self._group.names.new())

    def fork(self, cache: AttentionCache) -> AttentionCache:
        """Return a copy of a cache."""
        refuse_foreign("fork", "cache", cache, self._group.names)
        copy = AttentionCache(self._group.names.new())
        self._group.call("fork", cache.valid_name().number, copy.valid_name().number)
        cache.valid_name()  # raises if another thread has used it meanwhile: then the copy may have new tokens in it
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
        shares = [(slices.first, slices.last) for slices in self._group.shares]
        self._group.call_each("append", [(self._latest.name, cache, keys[a:b], values[a:b]) for a, b in shares])
        own = self._group.call_each("scores", [(cache, queries[a:b], scale) for a, b in shares])
        pattern = tap("pattern", [masked_softmax(rows) for rows in tap("scores", list(chain.from_iterable(own)))])
        own = self._group.call_each("mix", [(cache, pattern[a:b]) for a, b in shares])
        return join_heads(tap("z", list(chain.from_iterable(own))))
