"""Filling the shards of a process group with a model: from the pack cache, or by packing its checkpoint."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.engines.packed.arithmetic.lanes import Precision
from starchart.engines.packed.arithmetic.packed_matrix import GROUP
from starchart.engines.packed.pack_cache import FORMAT, Pack, PackCache, discard
from starchart.engines.packed.process_group import ProcessGroup
from starchart.engines.packed.shard_filling import Packed
from starchart.engines.packed.slices import HEAD, share
from starchart.engines.packed.tiles import layer_tile_size, tile_size
from starchart.layers.linear_layer import LinearWeights
from starchart.model.config import GPT2Config

Progress: TypeAlias = Callable[[str, int, int], None]  # what is done, how much of it, of how much
Checksums: TypeAlias = dict[str, dict[int, Sequence[int]]]

_log = logging.getLogger("starchart")


@dataclass(frozen=True)
class Unpacked:
    """What is to be packed, and how precisely. `head`: wte, or lm_head where it is not tied to wte."""

    layers: Mapping[str, LinearWeights]
    head: Any
    config: GPT2Config
    precision: Precision


def fill(group: ProcessGroup, model: Unpacked, cache: PackCache | None, progress: Progress) -> dict[str, int]:
    """Fill the shards; return the bound of every layer, and of the head under its name.

    Raises CheckpointError for numbers that cannot be weights, EngineError if a process ends.
    """
    description = describe(model)
    if cache is None or description is None:
        return _pack(group, model, None, progress)[0]
    pack = cache.find(description)
    if pack:
        if _read(group, model, pack, progress):
            return dict(pack.bounds)
        discard(pack.folder)
    folder = None
    with _warning(cache):
        folder = cache.begin(packed_size(model))
    try:
        bounds, checksums = _pack(group, model, folder, progress)
        if folder and checksums:
            with _warning(cache):
                cache.keep(folder, description, bounds, checksums)
    except BaseException:
        group.close()  # before their files are removed
        raise
    finally:
        if folder:
            discard(folder)  # it has its own name if it was kept
    return bounds


@contextmanager
def _warning(cache: PackCache) -> Iterator[None]:
    """Let a cache that cannot be written cost a line, and nothing else."""
    try:
        yield
    except OSError as error:
        _log.warning("the packed model is not kept in %s: %s", cache.folder, error.strerror or error)


def describe(model: Unpacked) -> dict[str, Any] | None:
    """Return what makes a pack the pack of this model, or None if its matrices come from no file."""
    matrices: list[Any] = [*(layer.weight for layer in model.layers.values()), model.head]
    weights, screen = model.precision.weights, model.precision.screen
    if not all(isinstance(matrix, StoredTensor) for matrix in matrices):
        return None
    entries = sorted((str(m.path), m.name, m.dtype, m.shape, m.start) for m in matrices)
    return {
        "format": FORMAT,
        "files": sorted({(str(matrix.path.resolve()), *matrix.stamp) for matrix in matrices}),
        "header": sha256(repr([entry[1:] for entry in entries]).encode()).hexdigest(),
        "slices": model.config.n_head,
        "group": GROUP,
        "weights": [weights.width, weights.weight_bits],
        "screen": screen and [screen.width, screen.weight_bits],
    }


def packed_size(model: Unpacked) -> int:
    """Return how many bytes a packed model has on disk."""
    config, weights, screen = model.config, model.precision.weights, model.precision.screen
    parts = share(config, 0, 1).single()
    linear = sum(layer_tile_size(part, name, weights) for name in model.layers for part in parts)
    tokens = config.vocab_size + config.vocab_size % 2
    return linear + sum(tile_size(tokens, config.n_embd, lanes) for lanes in (weights, screen) if lanes)


def _steps(group: ProcessGroup, model: Unpacked) -> list[tuple[str, int]]:
    """Return the layers by name, then the parts of the head: with 3 slices, rank 0 may have one and rank 1 two."""
    parts = range(-(-model.config.n_head // group.size))
    return [*((name, 0) for name in model.layers), *((HEAD, part) for part in parts)]


def _pack(
    group: ProcessGroup, model: Unpacked, folder: Path | None, progress: Progress
) -> tuple[dict[str, int], Checksums]:
    """Pack the model, into `folder` too if there is one. Return bounds and checksums; none if it was not written."""
    bounds: dict[str, int] = {}
    checksums: Checksums = {}
    steps = _steps(group, model)
    for done, (name, part) in enumerate(steps):
        progress("packing", done, len(steps))
        results: list[Packed]
        if name == HEAD:
            results = group.call("filler.pack_head", part, model.head, folder)
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


def _read(group: ProcessGroup, model: Unpacked, pack: Pack, progress: Progress) -> bool:
    """Take the model from a pack; return whether all of it was whole."""
    steps = _steps(group, model)
    for done, (name, part) in enumerate(steps):
        progress("opening", done, len(steps))
        checksums = pack.checksums.get(name, {})
        if name == HEAD:
            results = group.call("filler.read_head", part, pack.folder, checksums)
        else:
            results = group.call("filler.read_layer", name, model.layers[name].bias, pack.folder, checksums)
        if not all(results):
            return False
    return True
