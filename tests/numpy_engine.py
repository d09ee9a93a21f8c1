"""A second engine, over NumPy: the proof that GPT-2 is defined once and an engine is only its operations."""

from dataclasses import fields, is_dataclass, replace

import numpy as np

from starchart.checkpoints.stored_tensor import StoredTensor, rows_of
from starchart.utils.activations import ACTIVATIONS


class NumpyEngine:
    """The operations of `starchart.engine.Engine` over float64 arrays.

    Nothing here changes an array in place, so a used cache stays as it was, and a fork needs no copy.
    """

    def prepare(self, weights, config):
        if isinstance(weights, StoredTensor):
            weights = rows_of(weights)
        if is_dataclass(weights):
            return replace(weights, **{f.name: self.prepare(getattr(weights, f.name), config) for f in fields(weights)})
        if isinstance(weights, tuple):
            return tuple(self.prepare(block, config) for block in weights)
        return None if weights is None else np.array(weights, dtype=np.float64)

    def embed(self, ids, table):
        return table[list(ids)]

    def add(self, a, b):
        return a + b

    def layer_norm(self, x, weight, bias, epsilon):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon) * weight + bias

    def linear(self, x, weight, bias):
        return x @ weight + bias

    def activation(self, x, name):
        return np.vectorize(ACTIVATIONS[name])(x)

    def attend(self, qkv, cache, n_head, scale, tap):
        new = qkv.reshape(len(qkv), 3, n_head, -1).transpose(1, 2, 0, 3)  # [3][H][T][D]
        q, k, v = (tap(name, part) for name, part in zip("qkv", new, strict=True))
        k, v = (np.concatenate(pair, axis=1) for pair in zip(cache, (k, v), strict=True)) if cache else (k, v)
        scores = tap("scores", scale * q @ k.swapaxes(1, 2))
        masked = np.where(np.tri(*scores.shape[1:], k.shape[1] - q.shape[1], dtype=bool), scores, -np.inf)
        weights = np.exp(masked - masked.max(-1, keepdims=True))
        pattern = tap("pattern", weights / weights.sum(-1, keepdims=True))
        return np.concatenate(tap("z", pattern @ v), axis=-1), (k, v)

    def output_projection(self, x, table, last_only):
        return (x[-1:] if last_only else x) @ table.T

    def top_logits(self, logits, count):
        return logits[-1].tolist()

    def log_probabilities(self, logits, ids):
        shifted = logits - logits.max(-1, keepdims=True)
        chosen = np.take_along_axis(shifted, np.array(ids)[:, None], -1)[:, 0]
        return (chosen - np.log(np.exp(shifted).sum(-1))).tolist()

    def new_cache(self, n_head):
        return None

    def fork(self, cache):
        return cache

    def to_lists(self, array):
        return array.tolist()

    def from_lists(self, lists):
        return np.array(lists)

    def close(self):
        pass
