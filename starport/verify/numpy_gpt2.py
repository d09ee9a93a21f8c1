"""An independent GPT-2 over NumPy: every value of a run under its name in docs/NAMES.md.

It shares no code with starchart: the safetensors library reads the weights and NumPy computes. The dtype of `x` may be
float32, float64, longdouble (a mantissa of 64 bits on x86, the truth for a whole model) or object, for mpmath's numbers
of any length (the truth for one layer).
"""

import json
from collections.abc import Mapping, Sequence
from math import erf
from pathlib import Path
from typing import Any, TypeAlias

import mpmath  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Array: TypeAlias = NDArray[Any]
Weights: TypeAlias = Mapping[str, Array]


def number(text: str, like: Array) -> Any:
    """Return a decimal number in the arithmetic of `like`."""
    return mpmath.mpf(text) if like.dtype == object else like.dtype.type(text)


def of(function: str, x: Array) -> Any:
    """Return sqrt, exp, tanh or erf of every entry: mpmath's for its numbers, else NumPy's."""
    if x.dtype == object:
        return np.frompyfunc(getattr(mpmath, function), 1, 1)(x)
    return np.vectorize(erf, otypes=[x.dtype])(x) if function == "erf" else getattr(np, function)(x)


def activate(x: Array, name: str) -> Any:
    """Return the activation function of this name, of every entry."""
    match name:
        case "gelu_new" | "gelu_pytorch_tanh":
            root = number("0.79788456080286535587989211986876373695", x)  # sqrt(2/pi)
            return x / 2 * (1 + of("tanh", root * (x + number("0.044715", x) * x * x * x)))
        case "gelu":
            return x / 2 * (1 + of("erf", x / of("sqrt", 0 * x + 2)))
        case "relu":
            return np.maximum(x, 0 * x)
    return {"silu": x / (1 + of("exp", -x)), "swish": x / (1 + of("exp", -x)), "tanh": of("tanh", x)}[name]


def layer_norm(x: Array, w: Weights, name: str, epsilon: float) -> Any:  # [T][C] -> [T][C]
    """Return each row normalised."""
    centred = x - x.mean(-1, keepdims=True)
    deviation = of("sqrt", (centred * centred).mean(-1, keepdims=True) + epsilon)
    return centred / deviation * w[name + ".weight"] + w[name + ".bias"]


def linear(x: Array, w: Weights, name: str) -> Any:  # [T][in] -> [T][out]
    """Return x W + b."""
    return x @ w[name + ".weight"] + w[name + ".bias"]


def attention(q: Array, k: Array, v: Array, scale: Any) -> dict[str, Array]:  # [H][T][D], [H][S][D], [H][S][D]
    """Return scores, pattern and z."""
    t = {"scores": q @ k.swapaxes(1, 2) * scale}
    hidden = np.triu(np.ones(t["scores"].shape[1:], bool), k.shape[1] - q.shape[1] + 1)
    shown = np.where(hidden, -np.inf, t["scores"])
    weights = of("exp", shown - shown.max(-1, keepdims=True))
    t["pattern"] = weights / weights.sum(-1, keepdims=True)
    return t | {"z": t["pattern"] @ v}


def multi_head_attention(x: Array, w: Weights, n_head: int, scale: Any) -> dict[str, Array]:  # [T][C]
    """Return every value of the attention of a block."""
    c_attn = linear(x, w, "attn.c_attn")
    q, k, v = c_attn.reshape(len(x), 3, n_head, -1).transpose(1, 2, 0, 3)
    t = {"c_attn": c_attn, "q": q, "k": k, "v": v} | attention(q, k, v, scale)
    return t | {"c_proj": linear(t["z"].swapaxes(0, 1).reshape(x.shape), w, "attn.c_proj")}


def feed_forward(x: Array, w: Weights, activation: str) -> dict[str, Array]:  # [T][C]
    """Return every value of the feed-forward network of a block."""
    t = {"c_fc": linear(x, w, "mlp.c_fc")}
    t["act"] = activate(t["c_fc"], activation)
    return t | {"c_proj": linear(t["act"], w, "mlp.c_proj")}


def block(x: Array, w: Weights, n_head: int, scale: Any, activation: str, epsilon: float) -> dict[str, Array]:  # [T][C]
    """Return every value of one transformer block."""
    t = {"resid_pre": x, "ln_1": layer_norm(x, w, "ln_1", epsilon)}
    t |= {f"attn.{name}": value for name, value in multi_head_attention(t["ln_1"], w, n_head, scale).items()}
    t["resid_mid"] = x + t["attn.c_proj"]
    t["ln_2"] = layer_norm(t["resid_mid"], w, "ln_2", epsilon)
    t |= {f"mlp.{name}": value for name, value in feed_forward(t["ln_2"], w, activation).items()}
    return t | {"resid_post": t["resid_mid"] + t["mlp.c_proj"]}


def numpy_gpt2(folder: Path, ids: Sequence[int], dtype: Any = np.float64) -> dict[str, Array]:
    """Return every value of a run over `ids`: name -> array. Weights are widened to `dtype` as they are used."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    stored = stored_weights(folder)
    epsilon, activation = config.get("layer_norm_epsilon", 1e-5), config.get("activation_function", "gelu_new")
    t: dict[str, Array] = {"wte": stored["wte.weight"][list(ids)].astype(dtype)}
    t["wpe"] = stored["wpe.weight"][: len(ids)].astype(dtype)
    x = t["wte"] + t["wpe"]
    for n in range(config["n_layer"]):
        scale = 1 / of("sqrt", 0 * x[:1, :1] + config["n_embd"] // config["n_head"])
        scale = scale**0 if not config.get("scale_attn_weights", True) else scale
        scale = scale / (n + 1) if config.get("scale_attn_by_inverse_layer_idx") else scale
        w = {name[len(f"h.{n}.") :]: a.astype(dtype) for name, a in stored.items() if name.startswith(f"h.{n}.")}
        values = block(x, w, config["n_head"], scale, activation, epsilon)
        t |= {f"h.{n}.{name}": value for name, value in values.items()}
        x = values["resid_post"]
    final = {name: a.astype(dtype) for name, a in stored.items() if name.startswith("ln_f.")}
    t["ln_f"] = layer_norm(x, final, "ln_f", epsilon)
    return t | {"logits": t["ln_f"] @ stored.get("lm_head.weight", stored["wte.weight"]).astype(dtype).T}


def stored_weights(folder: Path) -> dict[str, Array]:
    """Return the tensors of a checkpoint as the safetensors library reads them, without the prefix."""
    files = [load_file(file) for file in sorted(folder.glob("model*.safetensors"))]
    return {name.removeprefix("transformer."): array for tensors in files for name, array in tensors.items()}
