"""An independent GPT-2 over NumPy: every value of a run under its name in docs/NAMES.md.

It shares no code with starchart. Numbers may be float64, longdouble (64 bits on x86; the true values of a whole model)
or mpmath numbers in arrays of objects (the true values of one layer). Weights are converted when they are used.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from math import erf
from pathlib import Path
from typing import Any, TypeAlias

import mpmath  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Array: TypeAlias = NDArray[Any]
Weights: TypeAlias = Mapping[str, Array]
_DEFAULTS = {"layer_norm_epsilon": 1e-5, "activation_function": "gelu_new", "scale_attn_weights": True}


def of(function: str, x: Array) -> Any:
    """Return sqrt, exp, tanh or erf of every entry, in the arithmetic of x."""
    if x.dtype == object:
        return np.frompyfunc(getattr(mpmath, function), 1, 1)(x)
    return np.vectorize(erf, otypes=[x.dtype])(x) if function == "erf" else getattr(np, function)(x)


def gelu_new(x: Array, root: str = "0.79788456080286535587989211986876373695") -> Any:
    """Return x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), with constants in the arithmetic of x."""
    number: Callable[[str], Any] = mpmath.mpf if x.dtype == object else x.dtype.type
    return x / 2 * (1 + of("tanh", number(root) * (x + number("0.044715") * x * x * x)))


def gelu(x: Array) -> Any:
    """Return x/2 (1 + erf(x / sqrt(2)))."""
    return x / 2 * (1 + of("erf", x / of("sqrt", 0 * x + 2)))


ACTIVATIONS: dict[str, Callable[[Array], Any]] = {
    "gelu_new": gelu_new,
    "gelu_pytorch_tanh": gelu_new,
    "gelu_python_tanh": gelu_new,
    "gelu_accurate": gelu_new,
    "gelu": gelu,
    "gelu_python": gelu,
    "gelu_fast": lambda x: gelu_new(x, "0.7978845608"),
    "relu": lambda x: np.maximum(x, 0 * x),
    "silu": lambda x: x / (1 + of("exp", -x)),
    "swish": lambda x: x / (1 + of("exp", -x)),
    "tanh": lambda x: of("tanh", x),
}


def linear(x: Array, w: Weights, name: str) -> Any:  # [T][in] -> [T][out]
    """Return x W + b."""
    return x @ w[name + ".weight"].astype(x.dtype) + w[name + ".bias"].astype(x.dtype)


def layer_norm(x: Array, w: Weights, name: str, epsilon: float) -> Any:  # [T][C] -> [T][C]
    """Return each row normalised."""
    x = x - x.mean(-1, keepdims=True)
    x = x / of("sqrt", (x * x).mean(-1, keepdims=True) + epsilon)
    return x * w[name + ".weight"].astype(x.dtype) + w[name + ".bias"].astype(x.dtype)


def attention(q: Array, k: Array, v: Array, scale: Any) -> dict[str, Array]:  # [H][T][D], [H][S][D], [H][S][D]
    """Return scores, pattern and z."""
    scores = q @ k.swapaxes(1, 2) * scale
    hidden = np.triu(np.ones(scores.shape[1:], bool), k.shape[1] - q.shape[1] + 1)
    shown = np.where(hidden, -np.inf, scores)
    weights = of("exp", shown - shown.max(-1, keepdims=True))
    pattern = weights / weights.sum(-1, keepdims=True)
    return {"attn.scores": scores, "attn.pattern": pattern, "attn.z": pattern @ v}


def multi_head_attention(x: Array, w: Weights, n_head: int, scale: Any) -> dict[str, Array]:  # [T][C]
    """Return every value of the attention of a block."""
    t = {"attn.c_attn": linear(x, w, "attn.c_attn")}
    q, k, v = t["attn.c_attn"].reshape(len(x), 3, n_head, -1).transpose(1, 2, 0, 3)
    t |= {"attn.q": q, "attn.k": k, "attn.v": v} | attention(q, k, v, scale)
    return t | {"attn.c_proj": linear(t["attn.z"].swapaxes(0, 1).reshape(x.shape), w, "attn.c_proj")}


def feed_forward(x: Array, w: Weights, activation: str) -> dict[str, Array]:  # [T][C]
    """Return every value of the feed-forward network of a block."""
    t = {"mlp.c_fc": linear(x, w, "mlp.c_fc")}
    t["mlp.act"] = ACTIVATIONS[activation](t["mlp.c_fc"])
    return t | {"mlp.c_proj": linear(t["mlp.act"], w, "mlp.c_proj")}


def block(x: Array, w: Weights, n_head: int, scale: Any, activation: str, epsilon: float) -> dict[str, Array]:  # [T][C]
    """Return every value of one transformer block."""
    t = {"resid_pre": x, "ln_1": layer_norm(x, w, "ln_1", epsilon)}
    t |= multi_head_attention(t["ln_1"], w, n_head, scale)
    t["resid_mid"] = x + t["attn.c_proj"]
    t["ln_2"] = layer_norm(t["resid_mid"], w, "ln_2", epsilon)
    t |= feed_forward(t["ln_2"], w, activation)
    return t | {"resid_post": t["resid_mid"] + t["mlp.c_proj"]}


def numpy_gpt2(folder: Path, ids: Sequence[int], dtype: Any = np.float64) -> dict[str, Array]:
    """Return every value of a run over `ids`: name -> array."""
    config, w = _DEFAULTS | json.loads((folder / "config.json").read_bytes()), stored_weights(folder)
    t = {"wte": w["wte.weight"][list(ids)].astype(dtype), "wpe": w["wpe.weight"][: len(ids)].astype(dtype)}
    x, head_size = t["wte"] + t["wpe"], config["n_embd"] // config["n_head"]
    for n in range(config["n_layer"]):
        scale = 1 / of("sqrt", np.full((1, 1), head_size if config["scale_attn_weights"] else 1, dtype))
        scale = scale / (n + 1) if config.get("scale_attn_by_inverse_layer_idx") else scale
        own = {name.removeprefix(f"h.{n}."): array for name, array in w.items() if name.startswith(f"h.{n}.")}
        values = block(x, own, config["n_head"], scale, config["activation_function"], config["layer_norm_epsilon"])
        t |= {f"h.{n}.{name}": value for name, value in values.items()}
        x = values["resid_post"]
    t["ln_f"] = layer_norm(x, w, "ln_f", config["layer_norm_epsilon"])
    return t | {"logits": t["ln_f"] @ w.get("lm_head.weight", w["wte.weight"]).astype(dtype).T}


def stored_weights(folder: Path) -> dict[str, Array]:
    """Return the tensors of a checkpoint as the safetensors library reads them, without the prefix."""
    files = [load_file(file) for file in sorted(folder.glob("model*.safetensors"))]
    return {name.removeprefix("transformer."): array for tensors in files for name, array in tensors.items()}
