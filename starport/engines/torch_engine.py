"""PyTorch as an engine: the operations of `starchart.engine.Engine` over tensors, on a CPU or a CUDA GPU.

Tensors may have a leading batch axis B. The definition of GPT-2 stays the same: ids are then a tensor [T][B], whose
length is T, and `embed` returns [B][T][C]. Every operation can be differentiated: training runs the same definition.

No tensor is changed in place, so a cache can be used again, and `fork` needs no copy.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from starchart.errors import EngineError
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starchart.tap import Tap, no_tap
from starchart.utils.activations import ACTIVATIONS
from starport.engines.tensors import DTYPES, checked_device, map_leaves, to_tensor

KeyValues: TypeAlias = tuple[Tensor, Tensor] | None  # keys and values, [B][H][S][D] each; None: no tokens yet


def _gelu_new(x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh")


def _gelu_fast(x: Tensor) -> Tensor:
    root = 0.7978845608  # sqrt(2/pi), with the digits of transformers
    return x * torch.sigmoid(2 * root * x * (1 + 0.044715 * x * x))


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_new": _gelu_new,
    "gelu": functional.gelu,
    "gelu_pytorch_tanh": _gelu_new,
    "gelu_python_tanh": _gelu_new,
    "gelu_accurate": _gelu_new,
    "gelu_python": functional.gelu,
    "gelu_fast": _gelu_fast,
    "relu": functional.relu,
    "silu": functional.silu,
    "swish": functional.silu,
    "tanh": torch.tanh,
}


class TorchEngine:
    """The operations of GPT-2 over tensors of one dtype on one device. Raises EngineError for a missing device."""

    tokens_at_once = 1024  # of a prompt: PyTorch is fastest at large products
    dropout = 0.0  # probability; training sets it

    def __init__(self, device: str = "cpu", dtype: str = "float32") -> None:
        self._device = checked_device(device)
        self._dtype = DTYPES[dtype]

    def __repr__(self) -> str:
        return f"TorchEngine({str(self._device)!r}, {str(self._dtype).removeprefix('torch.')!r})"

    def prepare(self, weights: GPTModelWeights, config: GPT2Config) -> GPTModelWeights:
        """Return the weights as tensors. Raises CheckpointError for NaN or infinity."""
        prepared: GPTModelWeights = map_leaves(weights, lambda leaf: to_tensor(leaf).to(self._device, self._dtype))
        return prepared

    def embed(self, ids: Sequence[int] | Tensor, table: Tensor) -> Tensor:  # [T] or [T][B], [V][C] -> [B][T][C]
        """Return the rows of `table` at `ids`."""
        index = torch.as_tensor(ids, device=table.device)
        return functional.embedding(index.movedim(0, -1), table)

    def add(self, a: Tensor, b: Tensor) -> Tensor:  # [B][T][C], [B][T][C] -> [B][T][C]
        """Return a + b."""
        return a + b

    def layer_norm(self, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:  # [B][T][C] -> [B][T][C]
        """Return each row normalised, times `weight` [C], plus `bias` [C]."""
        return functional.layer_norm(x, weight.shape, weight, bias, epsilon)

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # [B][T][in], [in][out], [out] -> [B][T][out]
        """Return x W + bias."""
        return functional.linear(x, weight.t(), bias)

    def activation(self, x: Tensor, name: str) -> Tensor:  # [B][T][F] -> [B][T][F]
        """Apply the activation called `name` to every entry.

        One that PyTorch has no function for here is computed by the engine's own, slowly and without a gradient.
        Raises EngineError where a gradient is needed.
        """
        if name in _ACTIVATIONS:
            return _ACTIVATIONS[name](x)
        if x.requires_grad:
            raise EngineError(f"{name} cannot be trained: add its PyTorch function to starport/engines/torch_engine.py")
        return x.detach().to("cpu", torch.float64, copy=True).apply_(ACTIVATIONS[name]).to(x)

    def attend(
        self, qkv: Tensor, cache: KeyValues, n_head: int, scale: float, tap: Tap
    ) -> tuple[Tensor, KeyValues]:  # [B][T][3C] -> [B][T][C]
        """Return causal attention of the T new tokens over all S, heads joined, and the cache with the new tokens."""
        heads = qkv.view(*qkv.shape[:-1], 3, n_head, -1).movedim(-4, -2)  # [B][3][H][T][D]
        q, k, v = (tap(name, part) for name, part in zip("qkv", heads.unbind(-4), strict=True))
        if cache:
            k, v = torch.cat((cache[0], k), -2), torch.cat((cache[1], v), -2)
        z = self._fused(q, k, v, scale) if tap is no_tap else _in_steps(q, k, v, scale, tap)
        return z.transpose(-3, -2).flatten(-2), (k, v)

    def output_projection(self, x: Tensor, table: Tensor, last_only: bool) -> Tensor:  # [B][T][C], [V][C] -> [B][T][V]
        """Return x times the transposed table: the logits, of the last token alone with `last_only`."""
        return functional.linear(x[..., -1:, :] if last_only else x, table)

    def top_logits(self, logits: Tensor, count: int) -> list[float]:  # [T][V] -> [V]
        """Return the whole last row, whatever `count` is: this engine has computed all logits."""
        row: list[float] = logits[-1].tolist()
        return row

    def log_probabilities(self, logits: Tensor, ids: Sequence[int]) -> list[float]:  # [T][V], [T] -> [T]
        """Return the log-probability of each of `ids` in its row, in float64."""
        wanted = torch.tensor(ids, device=logits.device)
        found: list[float] = (-functional.cross_entropy(logits.double(), wanted, reduction="none")).tolist()
        return found

    def new_cache(self, n_head: int) -> KeyValues:
        """Return a cache of no tokens."""
        return None

    def fork(self, cache: KeyValues) -> KeyValues:
        """Return `cache` itself: it is never changed."""
        return cache

    def to_lists(self, array: Tensor) -> Any:
        """Return nested lists of floats."""
        return array.tolist()

    def from_lists(self, lists: Any) -> Tensor:
        """Return a tensor of the engine's dtype."""
        return torch.tensor(lists, dtype=self._dtype, device=self._device)

    def close(self) -> None:
        """Do nothing: there are no resources to release."""

    def _fused(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:  # [B][H][T][D] -> [B][H][T][D]
        new, seen = q.shape[-2], k.shape[-2]
        past = None if new == seen else causal_mask(new, seen, q.device)
        return functional.scaled_dot_product_attention(q, k, v, past, self.dropout, is_causal=past is None, scale=scale)


def causal_mask(new: int, seen: int, device: torch.device) -> Tensor:  # -> [T][S]
    """Return True where a token may attend: each of the T newest of S tokens, to itself and those before it."""
    return torch.ones(new, seen, dtype=torch.bool, device=device).tril(seen - new)


def _in_steps(q: Tensor, k: Tensor, v: Tensor, scale: float, tap: Tap) -> Tensor:  # [H][T][D] -> [H][T][D]
    scores = tap("scores", scale * q @ k.transpose(-2, -1))
    mask = causal_mask(q.shape[-2], k.shape[-2], q.device)
    pattern = tap("pattern", scores.masked_fill(~mask, float("-inf")).softmax(-1))
    z: Tensor = tap("z", pattern @ v)
    return z
