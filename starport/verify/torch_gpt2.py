"""GPT-2 in PyTorch, twice: with the functions of torch.nn.functional, and by transformers. Both give all values.

The names are those of docs/NAMES.md. Neither shares code with starchart.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

Weights: TypeAlias = Mapping[str, Tensor]


def _gelu_new(x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh")


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_new": _gelu_new,
    "gelu_pytorch_tanh": _gelu_new,
    "gelu_python_tanh": _gelu_new,
    "gelu_accurate": _gelu_new,
    "gelu": functional.gelu,
    "gelu_python": functional.gelu,
    "gelu_fast": lambda x: x / 2 * (1 + torch.tanh(0.7978845608 * x * (1 + 0.044715 * x * x))),
    "relu": functional.relu,
    "silu": functional.silu,
    "swish": functional.silu,
    "tanh": torch.tanh,
}


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:  # [T][C] -> [T][C]
    """Return each row normalised."""
    return functional.layer_norm(x, weight.shape, weight, bias, epsilon)


def linear(x: Tensor, w: Weights, name: str) -> Tensor:  # [T][in] -> [T][out]
    """Return x W + b."""
    return functional.linear(x, w[name + ".weight"].T, w[name + ".bias"])


def attention(q: Tensor, k: Tensor, v: Tensor, scale: float) -> dict[str, Tensor]:  # [H][T][D], [H][S][D], [H][S][D]
    """Return scores, pattern and z."""
    scores = q @ k.transpose(1, 2) * scale
    seen = torch.ones(scores.shape[1:], dtype=torch.bool).tril(k.shape[1] - q.shape[1])
    pattern = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    return {"attn.scores": scores, "attn.pattern": pattern, "attn.z": pattern @ v}


def split_heads(x: Tensor, n_head: int) -> Tensor:  # [T][C] -> [H][T][D]
    """Return the channels of every head."""
    return x.reshape(len(x), n_head, -1).transpose(0, 1)


def multi_head_attention(x: Tensor, w: Weights, n_head: int, scale: float) -> dict[str, Tensor]:  # [T][C]
    """Return every value of the attention of a block."""
    t = {"attn.c_attn": linear(x, w, "attn.c_attn")}
    q, k, v = (split_heads(part, n_head) for part in t["attn.c_attn"].chunk(3, -1))
    t |= {"attn.q": q, "attn.k": k, "attn.v": v} | attention(q, k, v, scale)
    return t | {"attn.c_proj": linear(t["attn.z"].transpose(0, 1).flatten(1), w, "attn.c_proj")}


def feed_forward(x: Tensor, w: Weights, activation: str) -> dict[str, Tensor]:  # [T][C]
    """Return every value of the feed-forward network of a block."""
    t = {"mlp.c_fc": linear(x, w, "mlp.c_fc")}
    t["mlp.act"] = ACTIVATIONS[activation](t["mlp.c_fc"])
    return t | {"mlp.c_proj": linear(t["mlp.act"], w, "mlp.c_proj")}


def block(
    x: Tensor, w: Weights, n_head: int, scale: float, activation: str, epsilon: float
) -> dict[str, Tensor]:  # [T][C]
    """Return every value of one transformer block."""
    t = {"resid_pre": x, "ln_1": layer_norm(x, w["ln_1.weight"], w["ln_1.bias"], epsilon)}
    t |= multi_head_attention(t["ln_1"], w, n_head, scale)
    t["resid_mid"] = x + t["attn.c_proj"]
    t["ln_2"] = layer_norm(t["resid_mid"], w["ln_2.weight"], w["ln_2.bias"], epsilon)
    t |= feed_forward(t["ln_2"], w, activation)
    return t | {"resid_post": t["resid_mid"] + t["mlp.c_proj"]}


def torch_gpt2(folder: Path, ids: Sequence[int], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Return every value of a run over `ids`: name -> tensor."""
    config = json.loads((folder / "config.json").read_bytes())
    files = [load_file(file) for file in sorted(folder.glob("model*.safetensors"))]
    w = {name.removeprefix("transformer."): tensor.to(dtype) for file in files for name, tensor in file.items()}
    epsilon, activation = config.get("layer_norm_epsilon", 1e-5), config.get("activation_function", "gelu_new")
    size = config["n_embd"] // config["n_head"]
    scale = size**-0.5 if config.get("scale_attn_weights", True) else 1.0
    t = {"wte": functional.embedding(torch.tensor(ids), w["wte.weight"]), "wpe": w["wpe.weight"][: len(ids)]}
    x = t["wte"] + t["wpe"]
    for n in range(config["n_layer"]):
        own = {name[len(f"h.{n}.") :]: tensor for name, tensor in w.items() if name.startswith(f"h.{n}.")}
        divisor = n + 1 if config.get("scale_attn_by_inverse_layer_idx") else 1
        values = block(x, own, config["n_head"], scale / divisor, activation, epsilon)
        t |= {f"h.{n}.{name}": value for name, value in values.items()}
        x = values["resid_post"]
    t["ln_f"] = layer_norm(x, w["ln_f.weight"], w["ln_f.bias"], epsilon)
    return t | {"logits": functional.linear(t["ln_f"], w.get("lm_head.weight", w["wte.weight"]))}


def load_transformers(folder: Path, dtype: torch.dtype = torch.float64) -> Any:
    """Return transformers' GPT2LMHeadModel, without its messages."""
    messages: Any = transformers.utils.logging
    messages.set_verbosity_error()
    messages.disable_progress_bar()
    model: Any = transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
    return model.eval()


def transformers_gpt2(folder: Path, ids: Sequence[int], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Return the values of transformers' model, from hooks in its modules. Only `scores` is not available there."""
    model = load_transformers(folder, dtype)
    seen: dict[str, Tensor] = {}

    def hook(name: str) -> Callable[[Any, Any, Any], None]:
        def see(_: Any, given: Any, out: Any) -> None:
            seen[f"in {name}"] = given[0]
            seen[name] = out[0] if isinstance(out, tuple) else out

        return see

    for name, module in model.transformer.named_modules():
        module.register_forward_hook(hook(name))
    with torch.no_grad():
        out = model(torch.tensor([list(ids)]), output_attentions=True)
    t = {"wte": seen["wte"][0], "wpe": seen["wpe"].reshape(len(ids), -1)}
    for n, pattern in enumerate(out.attentions):
        t |= {f"h.{n}.{name}": value for name, value in _block_of(seen, f"h.{n}.", model.config.n_head).items()}
        t[f"h.{n}.attn.pattern"] = pattern[0]
    return t | {"ln_f": seen["ln_f"][0], "logits": out.logits[0]}


def _block_of(seen: dict[str, Tensor], h: str, n_head: int) -> dict[str, Tensor]:
    """Return the values of one block under our names, from the inputs and outputs of its modules."""
    names = ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.act", "mlp.c_proj")
    t = {name: seen[h + name][0] for name in names}
    q, k, v = (split_heads(part, n_head) for part in t["attn.c_attn"].chunk(3, -1))
    t |= {"attn.q": q, "attn.k": k, "attn.v": v, "attn.z": split_heads(seen[f"in {h}attn.c_proj"][0], n_head)}
    stream = {"resid_pre": f"in {h}ln_1", "resid_mid": f"in {h}ln_2", "resid_post": h[:-1]}
    return t | {name: seen[place][0] for name, place in stream.items()}
