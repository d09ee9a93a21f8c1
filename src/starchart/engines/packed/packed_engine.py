"""The packed engine: every matrix product by big integers, everything between them as in the reference engine.

A layer whose columns are cut (`slices`) is not computed at once: `linear` returns a `Deferred` with the input of the
layer. What happens then depends on the next operation. `attend` and `activation` compute the layer and their own result
on every shard, for its columns; `to_lists` computes the layer and collects the outputs. Taps see lists, so with a tap
each operation is computed alone, with the same bits.
"""

import logging
import threading
from collections.abc import Sequence
from functools import partial, reduce
from itertools import chain
from math import inf
from typing import Any

from starchart.engines import reference
from starchart.engines.packed import limits
from starchart.engines.packed.arithmetic.candidate_pruning import MOST_CANDIDATES, Candidate, prune, pruning_query
from starchart.engines.packed.arithmetic.lanes import FULL, Precision
from starchart.engines.packed.arithmetic.packed_product import MatrixSums, RoundedVector, products
from starchart.engines.packed.arithmetic.quantised_vectors import round_for, vector_scales
from starchart.engines.packed.calibration import open_model
from starchart.engines.packed.filling import Progress
from starchart.engines.packed.handles import CacheHandle, Deferred, KeptVectors, PackedLayer, refuse_foreign
from starchart.engines.packed.pack_cache import PackCache, widths
from starchart.engines.packed.packed_model import PackedModel, Packer
from starchart.engines.packed.shard import ShardGroup
from starchart.engines.packed.slices import Axis, Channels, side_by_side
from starchart.errors import EngineError
from starchart.model.cache import new_cache
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights, gpt_model
from starchart.tap import Tap, no_tap
from starchart.utils.matrix import Matrix, Vector

_log = logging.getLogger("starchart")


class _Latest(threading.local):
    """The last deferred layer of a thread. Lists have no name, and `attend` needs one for its error messages."""

    name = "attn"


class PackedEngine:
    """The operations of `starchart.engine.Engine` with big integers, on one process or several.

    `workers`: how many processes compute, this one included; None: what suits the model and the machine. `cache`: where
    packed models are stored on disk. `progress` is called with the work, the steps done, and all steps. One engine is
    for one model. Threads may share it, and an interrupt ends one operation, not the engine.
    """

    embed = staticmethod(reference.embed)
    from_lists = staticmethod(reference.from_lists)

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
        self._model: PackedModel | None = None

    def prepare(self, weights: GPTModelWeights, config: GPT2Config) -> Any:
        """Return the weights with every linear layer and the output projection packed, on all processes.

        Where `precision` is not exact enough for this model, a wider one takes its place, and a warning says so.

        Raises CheckpointError for numbers that cannot be weights, EngineError for too little memory or too many rows.
        """
        if self._model:
            raise EngineError("this engine has a model already; make another PackedEngine")
        ranks = limits.number_of_workers(config, self._wanted)
        packer = Packer(weights, config, ranks, self._cache, self._progress)
        self._model = open_model(packer, self._precision, partial(_logits, config))
        if self._model.precision is not self._precision:
            narrow, wide = (one.weights[0].width for one in (self._precision, self._model.precision))
            _log.warning(
                "%s precision: this model needs lanes of %d bits, not %d, to be exact enough; its products take about"
                " %.1f times as long", self._precision.name, wide, narrow, wide / narrow,
            )  # fmt: skip
        return self._model.weights

    def __repr__(self) -> str:
        workers = f", {self.workers} worker{'s' * (self.workers != 1)}" if self._model else ""
        return f"PackedEngine({self._precision.name}{workers})"

    @property
    def _group(self) -> ShardGroup:
        return self._packed.shards

    @property
    def _packed(self) -> PackedModel:
        if self._model is None:
            raise EngineError("this engine has no model yet; call prepare first")
        return self._model

    @property
    def workers(self) -> int:
        """How many processes compute, this one included."""
        return self._group.size

    @property
    def lanes(self) -> str:
        """How many bits the lanes of the matrices have: "52 and 56 bits"."""
        return widths({name: (own.width, own.weight_bits) for name, own in self._packed.filled.lanes.items()})

    def add(self, a: Any, b: Any) -> list[list[float]]:  # [T][C], [T][C] -> [T][C]
        """Return a + b."""
        return reference.add(self.to_lists(a), self.to_lists(b))

    def layer_norm(self, x: Any, weight: Vector, bias: Vector, epsilon: float) -> list[list[float]]:  # [T][C] -> [T][C]
        """Return each row normalised to mean 0 and variance 1, times `weight` [C], plus `bias` [C]."""
        return reference.layer_norm(self.to_lists(x), weight, bias, epsilon)

    def linear(self, x: Any, weight: PackedLayer, bias: Vector) -> Any:  # [T][in] -> [T][out]
        """Return x W + bias: computed now where the rows of W are cut into slices, else deferred.

        `bias` must be the one that was prepared with the weight: the shards have their parts of it.
        """
        refuse_foreign("linear", "weight", weight, self._group.handles)
        if weight.layer.cut is Axis.COLUMNS:
            self._latest.name = weight.name
            return Deferred(self.to_lists(x), weight)
        if isinstance(x, KeptVectors) and x.channels is weight.layer.channels:
            refuse_foreign("linear", "input", x, self._group.handles)
            kept = x
        else:
            kept = self._group.distribute(self.to_lists(x), weight.layer)
        scales = [vector_scales(norms, weight.bound, weight.lanes) for norms in kept.norms]
        matrix = self._group.shard.matrices[weight.name]
        parts = self._group.call("project", weight.name, kept.handle.number, scales, weight.bound)
        sums = [reduce(MatrixSums.plus, own) for own in zip(*parts, strict=True)]
        return [
            products(total, matrix, own.unit, own.large_unit, bias) for total, own in zip(sums, scales, strict=True)
        ]

    def activation(self, x: Any, name: str) -> Any:  # [T][F] -> [T][F]
        """Return the activation function of every entry."""
        if not isinstance(x, Deferred) or not x.is_cut_by(Channels.HIDDEN):
            return reference.activation(self.to_lists(x), name)
        refuse_foreign("activation", "input", x, self._group.handles)
        return self._group.keep("activate", x.weight.layer, [(self._rounded(x), name)] * self.workers)

    def attend(
        self, qkv: Any, cache: CacheHandle, n_head: int, scale: float, tap: Tap
    ) -> tuple[Any, CacheHandle]:  # [T][3C] -> [T][C]
        """Return causal attention, heads joined, and the cache with the new tokens added."""
        refuse_foreign("attend", "cache", cache, self._group.handles)
        if not isinstance(qkv, Deferred) or not qkv.is_cut_by(Channels.ATTENTION) or tap is not no_tap:
            lists, cache = self.to_lists(qkv), cache.take()
            number = cache.valid().number
            return self._group.attend_by_steps(self._latest.name, lists, number, n_head, scale, tap), cache
        refuse_foreign("attend", "input", qkv, self._group.handles)
        cache = cache.take()
        arguments = (self._rounded(qkv), cache.valid().number, scale)
        return self._group.keep("attend", qkv.weight.layer, [arguments] * self.workers), cache

    def output_projection(self, x: Any, table: PackedLayer, last_only: bool) -> Deferred:  # [T][C] -> [T][V]
        """Return the logits, deferred: `to_lists` computes all of them, `top_logits` the largest."""
        refuse_foreign("output_projection", "table", table, self._group.handles)
        rows = self.to_lists(x)
        return Deferred(rows[-1:] if last_only else rows, table)

    def top_logits(self, logits: Any, count: int) -> Sequence[float]:  # [T][V] -> [V]
        """Return the last row, with -inf for tokens that are certainly not among the `count` likeliest."""
        narrow = self._packed.precision.pruning
        last = Deferred(logits.x[-1:], logits.weight) if isinstance(logits, Deferred) else logits
        is_deferred = isinstance(last, Deferred) and last.is_cut_by(Channels.VOCABULARY)
        if narrow and is_deferred and 0 < count <= MOST_CANDIDATES:
            refuse_foreign("top_logits", "input", logits, self._group.handles)
            vector = self._rounded(last)[0]
            dropped = last.weight.lanes.weight_bits - narrow.weight_bits
            query = pruning_query(last.x[0], vector, last.weight.bound, dropped, narrow, count)
            found = prune(list(chain.from_iterable(self._group.call("find_candidates", query))), query)
            if len(found) <= MOST_CANDIDATES:
                return self._only(found, vector, dropped)
        row: Sequence[float] = self.to_lists(last)[-1]
        return row

    def to_lists(self, array: Any) -> Any:
        """Return a value as nested lists of floats."""
        if not isinstance(array, Deferred | KeptVectors):
            return array
        refuse_foreign("to_lists", "input", array, self._group.handles)
        if isinstance(array, KeptVectors):
            return side_by_side(self._group.call("kept", array.handle.number))
        if array.is_cut_by(Channels.VOCABULARY):
            return side_by_side(self._group.call("logits", self._rounded(array)))
        lanes = side_by_side(self._group.call("linear", array.weight.name, self._rounded(array)))
        return self._packed.slices.by_column(array.weight.layer, lanes)

    def log_probabilities(self, logits: Any, ids: Sequence[int]) -> list[float]:  # [T][V], [T] -> [T]
        """Return the log-probability of each of `ids` in its row."""
        return reference.log_probabilities(self.to_lists(logits), ids)

    def new_cache(self, n_head: int) -> CacheHandle:
        """Return an empty cache for one block."""
        return CacheHandle(self._group.handles.new())

    def fork(self, cache: CacheHandle) -> CacheHandle:
        """Return a copy of a cache."""
        refuse_foreign("fork", "cache", cache, self._group.handles)
        copy = CacheHandle(self._group.handles.new())
        self._group.call("fork", cache.valid().number, copy.valid().number)
        cache.valid()  # raises if another thread has used it since: then the copy may have new tokens
        return copy

    def close(self) -> None:
        """End the worker processes."""
        if self._model:
            self._model.close()

    def _rounded(self, output: Deferred) -> list[RoundedVector]:
        """Return the inputs of a deferred layer as whole numbers. Asserts that no lane overflows."""
        weight = output.weight
        return [round_for(row, weight.bound, weight.lanes, weight.name) for row in output.x]

    def _only(self, tokens: Sequence[Candidate], vector: RoundedVector, dropped: int) -> list[float]:  # -> [V]
        """Return the exact logits of some tokens, -inf for all others."""
        ids = [token for _, _, token in tokens]
        scales = [scale / (1 << dropped) for _, scale, _ in tokens]
        row = [-inf] * len(self._packed.vocabulary)
        logits = self._group.exact_logits(vector, [self._packed.vocabulary[token] for token in ids], scales)
        for token, logit in zip(ids, logits, strict=True):
            row[token] = logit
        return row


def _logits(config: GPT2Config, model: PackedModel, ids: Sequence[int]) -> Matrix:  # [T] -> [T][V]
    """Return the logits of a packed model."""
    engine = PackedEngine(model.precision)
    engine._model = model
    logits, _ = gpt_model(ids, model.weights, new_cache(config, engine), config, engine)
    rows: Matrix = engine.to_lists(logits)
    return rows
