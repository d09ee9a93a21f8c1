"""A packed model: its matrices in the shards of all processes, and its weights as the engine's operations take them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from starchart.checkpoints.stored_tensor import rows_of
from starchart.embeddings.embedding_lookup import EmbeddingWeights
from starchart.engines import layout
from starchart.engines.packed import limits
from starchart.engines.packed.arithmetic.lanes import Precision
from starchart.engines.packed.filling import Filled, ModelToPack, Progress, describe, pack, read_packed
from starchart.engines.packed.handles import PackedLayer
from starchart.engines.packed.pack_cache import PackCache
from starchart.engines.packed.shard import ShardGroup
from starchart.engines.packed.slices import OUTPUT_PROJECTION, SliceRange, linear_layers, share
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starchart.utils.matrix import Matrix

Fill = Callable[[ShardGroup, ModelToPack, PackCache | None, Progress], Filled]


@dataclass(frozen=True)
class PackedModel:
    """A model in the shards. `close` it when it is no longer needed."""

    weights: Any  # GPTModelWeights with a PackedLayer in place of every matrix
    vocabulary: Matrix  # [V][C], the rows of the output projection
    slices: SliceRange  # all of them
    shards: ShardGroup
    precision: Precision
    filled: Filled

    def close(self) -> None:
        """End the worker processes, and remove files that were not kept."""
        self.shards.close()
        self.filled.discard()


@dataclass(frozen=True)
class Packer:
    """Makes packed models of one checkpoint. `ranks`: the number of processes."""

    weights: GPTModelWeights
    config: GPT2Config
    ranks: int
    cache: PackCache | None
    progress: Progress

    def stored(self, precision: Precision) -> PackedModel | None:
        """Return the model from the pack cache, or None if the cache does not have it undamaged."""
        description = describe(self._to_pack(precision))
        if self.cache is None or description is None or self.cache.find(description) is None:
            return None
        return self._filled(precision, read_packed)

    def packed(self, precision: Precision) -> PackedModel:
        """Return the model, packed from its checkpoint.

        Raises CheckpointError for numbers that cannot be weights, EngineError for too little memory or too many rows.
        """
        model = self._filled(precision, pack)
        assert model
        return model

    def _filled(self, precision: Precision, fill: Callable[..., Filled | None]) -> PackedModel | None:
        self._refuse_what_does_not_fit(precision)
        layers = {**linear_layers(self.config.n_layer), OUTPUT_PROJECTION.name: OUTPUT_PROJECTION}
        shards = ShardGroup([share(self.config, rank, self.ranks) for rank in range(self.ranks)], precision)
        filled = None
        try:
            filled = fill(shards, self._to_pack(precision), self.cache, self.progress)
            if filled is None:
                shards.close()
                return None
            packed = {
                name: PackedLayer(layer, filled.bounds[name], filled.lanes[name], shards.handles)
                for name, layer in layers.items()
            }
            prepared: Any = layout.lay_out_matrices(
                self.weights, lambda name, _: packed[name], lambda _, table: rows_of(table)
            )
        except BaseException:
            shards.close()
            if filled:
                filled.discard()
            raise
        vocabulary = (prepared.lm_head or prepared.wte).weight
        output_projection: Any = packed[OUTPUT_PROJECTION.name]
        prepared = replace(prepared, lm_head=EmbeddingWeights(output_projection))
        return PackedModel(prepared, vocabulary, share(self.config, 0, 1), shards, precision, filled)

    def _to_pack(self, precision: Precision) -> ModelToPack:
        vocabulary = (self.weights.lm_head or self.weights.wte).weight
        return ModelToPack(dict(layout.linear_layers(self.weights)), vocabulary, self.config, precision)

    def _refuse_what_does_not_fit(self, precision: Precision) -> None:
        """Raise EngineError for too little memory, too many rows, or too many positions."""
        limits.refuse_if_too_large(self.config, precision, self.ranks, tables=2 if self.weights.lm_head else 1)
        slices = share(self.config, 0, 1)
        limits.refuse_too_many_rows(linear_layers(self.config.n_layer).values(), slices, precision)
        limits.refuse_too_many_positions(self.config, precision)
