"""Filling the shards of a process group with a model: from the pack cache, or by packing its checkpoint."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.engines.packed.arithmetic.lanes import Lanes, Precision
from starchart.engines.packed.arithmetic.packed_matrix import GROUP
from starchart.engines.packed.lane_choice import lanes_by_name
from starchart.engines.packed.pack_cache import FORMAT, PackCache, PackCacheEntry, PackContents, discard
from starchart.engines.packed.process_group import ProcessGroup
from starchart.engines.packed.shard_filling import PackingResult
from starchart.engines.packed.slices import OUTPUT_PROJECTION, linear_layers, share
from starchart.engines.packed.tiles import layer_tile_size, tile_size
from starchart.layers.linear_layer import LinearWeights
from starchart.model.config import GPT2Config

Progress: TypeAlias = Callable[[str, int, int], None]  # the work, the steps done, all steps
Checksums: TypeAlias = dict[str, dict[int, Sequence[int]]]

_log = logging.getLogger("starchart")


@dataclass(frozen=True)
class ModelToPack:
    """The matrices of a model, and the precision. `vocabulary`: lm_head, or wte where lm_head is tied to it."""

    layers: Mapping[str, LinearWeights]
    vocabulary: Any  # [V][C]
    config: GPT2Config
    precision: Precision


@dataclass(frozen=True)
class Filled:
    """What the engine must know of filled shards, and the new files of the packed model, which are still temporary."""

    bounds: Mapping[str, int]  # K^2 of every linear layer and of the output projection, by name
    lanes: Mapping[str, Lanes]
    unfinished: "Unfinished | None" = None

    def keep(self) -> None:
        """Make the new files an entry of the pack cache, if there are any."""
        try:
            if self.unfinished:
                with _warning(self.unfinished.cache):
                    self.unfinished.cache.keep(self.unfinished.folder, self.unfinished.contents)
        finally:
            self.discard()  # removes nothing if the folder was kept: it has another name then

    def discard(self) -> None:
        """Remove the new files."""
        if self.unfinished:
            discard(self.unfinished.folder)


@dataclass(frozen=True)
class Unfinished:
    """A packed model in a temporary folder of the pack cache."""

    cache: PackCache
    folder: Path
    contents: PackContents


def read_packed(group: ProcessGroup, model: ModelToPack, cache: PackCache | None, progress: Progress) -> Filled | None:
    """Fill the shards from the pack cache, or return None if the cache does not have this model undamaged."""
    description = describe(model)
    entry = cache.find(description) if cache and description else None
    if entry is None:
        return None
    lanes = {name: Lanes(*own) for name, own in entry.contents.lanes.items()}
    if _read(group, model, entry, lanes, progress):
        return Filled(entry.contents.bounds, lanes)
    discard(entry.folder)
    return None


def pack(group: ProcessGroup, model: ModelToPack, cache: PackCache | None, progress: Progress) -> Filled:
    """Fill the shards from the checkpoint. `keep` or `discard` the result's files.

    Raises CheckpointError for numbers that cannot be weights, EngineError if a process ends.
    """
    description = describe(model)
    matrices = {name: layer.weight for name, layer in model.layers.items()}
    lanes = lanes_by_name(matrices, model.vocabulary, model.precision.weights)
    folder = None
    if cache and description:
        with _warning(cache):
            folder = cache.begin(packed_size(model, lanes))
    try:
        bounds, checksums = _pack(group, model, lanes, folder, progress)
        if cache and description and folder and checksums:
            widths = {name: (own.width, own.weight_bits) for name, own in lanes.items()}
            return Filled(
                bounds, lanes, Unfinished(cache, folder, PackContents(description, bounds, widths, checksums))
            )
        if folder:
            discard(folder)
    except BaseException:
        group.close()  # before their files are removed
        if folder:
            discard(folder)
        raise
    return Filled(bounds, lanes)


@contextmanager
def _warning(cache: PackCache) -> Iterator[None]:
    """Log a warning where the cache cannot be written; the model works without it."""
    try:
        yield
    except OSError as error:
        _log.warning("the packed model is not kept in %s: %s", cache.folder, error.strerror or error)


def describe(model: ModelToPack) -> dict[str, Any] | None:
    """Return a description that identifies the packed model, or None where its matrices are not in files."""
    matrices: list[Any] = [*(layer.weight for layer in model.layers.values()), model.vocabulary]
    precision, pruning = model.precision, model.precision.pruning
    if not all(isinstance(matrix, StoredTensor) for matrix in matrices):
        return None
    entries = sorted((str(m.path), m.name, m.dtype, m.shape, m.start) for m in matrices)
    return {
        "format": FORMAT,
        "files": sorted({(str(matrix.path.resolve()), *matrix.stamp) for matrix in matrices}),
        "header": sha256(repr([entry[1:] for entry in entries]).encode()).hexdigest(),
        "slices": model.config.n_head,
        "group": GROUP,
        "precision": precision.name,
        "weights": [[lanes.width, lanes.weight_bits] for lanes in precision.weights],
        "pruning": pruning and [pruning.width, pruning.weight_bits],
        "compared with wider": precision.wider is not None,
    }


def packed_size(model: ModelToPack, lanes: Mapping[str, Lanes]) -> int:
    """Return how many bytes a packed model has on disk."""
    config, pruning = model.config, model.precision.pruning
    layers, parts = linear_layers(config.n_layer).values(), share(config, 0, 1).single()
    linear = sum(layer_tile_size(part, layer, lanes[layer.name]) for layer in layers for part in parts)
    tokens = config.vocab_size + config.vocab_size % 2
    widths = [own for own in (lanes[OUTPUT_PROJECTION.name], pruning) if own]
    return linear + sum(tile_size(tokens, config.n_embd, own) for own in widths)


def _steps(group: ProcessGroup, model: ModelToPack) -> list[tuple[str, int]]:
    """Return the steps of packing: every linear layer, then the output projection, slice by slice of each process.

    The processes may have different numbers of slices: with 3 slices, one has 1 and the other has 2.
    """
    parts = range(-(-model.config.n_head // group.size))
    return [*((name, 0) for name in model.layers), *((OUTPUT_PROJECTION.name, part) for part in parts)]


def _pack(
    group: ProcessGroup, model: ModelToPack, lanes: Mapping[str, Lanes], folder: Path | None, progress: Progress
) -> tuple[dict[str, int], Checksums]:
    """Pack the model, and write its tiles to `folder` if there is one.

    Return bounds and checksums; no checksums if the tiles were not all written.
    """
    bounds: dict[str, int] = {}
    checksums: Checksums = {}
    steps = _steps(group, model)
    group.call("filler.choose", lanes)
    for done, (name, part) in enumerate(steps):
        progress("packing", done, len(steps))
        results: list[PackingResult]
        if name == OUTPUT_PROJECTION.name:
            results = group.call("filler.pack_output_projection", part, model.vocabulary, folder)
        else:
            layer = model.layers[name]
            results = group.call("filler.pack_layer", name, layer.weight, layer.bias, folder)
        bounds[name] = max(bounds.get(name, 0), *(result.bound for result in results))
        for result in results:
            checksums.setdefault(name, {}).update(result.checksums)
            if result.error and folder:
                _log.warning("the packed model is not kept in %s: %s", folder.parent, result.error)
                folder, checksums = None, {}
    progress("packing", len(steps), len(steps))
    return bounds, checksums if folder else {}


def _read(
    group: ProcessGroup, model: ModelToPack, entry: PackCacheEntry, lanes: Mapping[str, Lanes], progress: Progress
) -> bool:
    """Read the model from the pack cache; return whether all of it was undamaged."""
    steps = _steps(group, model)
    group.call("filler.choose", lanes)
    for done, (name, part) in enumerate(steps):
        progress("opening", done, len(steps))
        checksums = entry.contents.checksums.get(name, {})
        if name == OUTPUT_PROJECTION.name:
            results = group.call("filler.read_output_projection", part, entry.folder, checksums)
        else:
            results = group.call("filler.read_layer", name, model.layers[name].bias, entry.folder, checksums)
        if not all(results):
            return False
    return True
