"""The engine: the operations that GPT-2 is made of. Another engine computes the same model in another way.

`transformer_block`, `gpt_model` and the other compositions are the only definition of GPT-2 here. They never look
inside a matrix: they pass it from one operation of an engine to the next. So an engine is any object with the
operations below, a module too, and its matrices may be of any kind. `starchart.engines.reference` is the engine of
plain lists.

Letters: T new tokens, S tokens seen so far (the new ones included), C channels, V vocabulary, H heads, D = C/H.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from starchart.tap import Tap

Array: TypeAlias = Any  # a vector or matrix of the engine's own kind
LayerCache: TypeAlias = Any  # the keys and values of one block, of the engine's own kind


class Engine(Protocol):
    """The operations that the compositions call. None changes its arguments; `attend` uses up the cache.

    Two attributes are optional: `workers`, how many processes compute, and `tokens_at_once`, how many tokens of a long
    text are read in one pass.
    """

    def prepare(self, weights: Any, config: Any) -> Any:
        """Return GPTModelWeights with the matrices in the engine's own form; called once, after loading.

        Matrices may be StoredTensors, not read yet: `starchart.checkpoints.stored_tensor.rows_of` reads either kind.
        """

    def embed(self, ids: Sequence[int], table: Array) -> Array:  # [T], [V][C] -> [T][C]
        """Return row ids[t] of `table` for every t: token embeddings from wte, positions from wpe."""

    def add(self, a: Array, b: Array) -> Array:  # [T][C], [T][C] -> [T][C]
        """Return a + b."""

    def layer_norm(self, x: Array, weight: Array, bias: Array, epsilon: float) -> Array:  # [T][C] -> [T][C]
        """Return each row normalised to mean 0 and variance 1, times `weight` [C], plus `bias` [C]."""

    def linear(self, x: Array, weight: Array, bias: Array) -> Array:  # [T][in], prepared [in][out], [out] -> [T][out]
        """Return x W + bias, W as `prepare` laid it out."""

    def activation(self, x: Array, name: str) -> Array:  # [T][F] -> [T][F]
        """Return the activation function that config.json calls `name`, applied to every entry."""

    def attend(
        self, qkv: Array, cache: LayerCache, n_head: int, scale: float, tap: Tap
    ) -> tuple[Array, LayerCache]:  # [T][3C] -> [T][C]
        """Return causal attention of T new tokens over all S, heads joined, and the cache with the new tokens in it.

        Taps q, k, v [H][T][D], scores and pattern [H][T][S], z [H][T][D]. With `no_tap` an engine may fuse it all.
        The given cache is used up.
        """

    def output_projection(self, x: Array, table: Array, last_only: bool) -> Array:  # [T][C], [V][C] -> [T][V]
        """Return x times the transposed table: the logits, of the last token alone ([1][V]) with `last_only`."""

    def top_logits(self, logits: Array, count: int) -> Sequence[float]:  # [T][V] -> [V]
        """Return the last row of logits as floats.

        To save time, an engine may return -inf for a logit that is not among the `count` largest, unless it is within
        1e-6 (relative) of the smallest of those. All other logits have the bits that `to_lists` gives.
        """

    def log_probabilities(self, logits: Array, ids: Sequence[int]) -> Sequence[float]:  # [T][V], [T] -> [T]
        """Return, for every token of `logits`, the natural logarithm of the probability that ids[t] comes next."""

    def new_cache(self, n_head: int) -> LayerCache:
        """Return an empty cache for one block."""

    def fork(self, cache: LayerCache) -> LayerCache:
        """Return a copy of a cache, for two continuations of one text."""

    def to_lists(self, array: Array) -> Any:
        """Return a vector or matrix, or the [H][T][D] and [H][T][S] values of `attend`, as nested lists of floats."""

    def from_lists(self, lists: Any) -> Array:
        """Return the engine's own form of nested lists of floats."""

    def close(self) -> None:
        """Release what the engine holds (processes, files). It cannot be used afterwards."""
