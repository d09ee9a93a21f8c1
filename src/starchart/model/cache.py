"""The cache of a GPT-2: the key-value cache of each block, and the number of tokens read so far."""

from dataclasses import dataclass

from starchart.engine import Engine, LayerCache
from starchart.model.config import GPT2Config


@dataclass(frozen=True)
class Cache:
    """`gpt_model` uses up the cache that it is given, and returns a new one. `fork_cache` copies one that is unused."""

    length: int  # S, tokens read so far
    layers: tuple[LayerCache, ...]


def new_cache(config: GPT2Config, ops: Engine) -> Cache:
    """Return the cache of a model that has read nothing."""
    return Cache(0, tuple(ops.new_cache(config.n_head) for _ in range(config.n_layer)))


def fork_cache(cache: Cache, ops: Engine) -> Cache:
    """Return a copy of `cache`: using one does not use up the other."""
    return Cache(cache.length, tuple(ops.fork(layer) for layer in cache.layers))
