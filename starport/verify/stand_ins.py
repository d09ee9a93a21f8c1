"""Small random GPT-2s. Gammas, betas and biases are random too, and the sizes are odd, so that every error is seen.

They are written by the safetensors library, as transformers writes models. Their vocabulary is the 256 bytes, a few
merges and <|endoftext|>.
"""

import json
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from starport.verify.byte_characters import IN_ORDER

MERGES = ["Ġ t", "h e", "Ġt he", "o n"]
END_OF_TEXT = 260
_CONFIG: dict[str, Any] = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "n_embd": 21,
    "n_head": 3,
    "n_inner": None,
    "n_layer": 2,
    "n_positions": 40,
    "tie_word_embeddings": True,
    "vocab_size": END_OF_TEXT + 1,
    "bos_token_id": END_OF_TEXT,
    "eos_token_id": END_OF_TEXT,
}


def write_stand_in(folder: Path, seed: int, **options: Any) -> Path:
    """Write a model with `options` in its config.json, and return the folder. A seed always gives the same weights.

    The option dtype is float32 (the default) or float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = _CONFIG | options
    draw = np.random.Generator(np.random.PCG64(seed))
    tensors = {}
    for name, shape in _shapes(config).items():
        is_gamma = "ln_" in name and name.endswith("weight")
        spread = 0.3 if len(shape) == 1 else 0.7 if name in ("wte.weight", "wpe.weight") else 1 / sqrt(shape[0])
        key = name if name.startswith("lm_head") else f"transformer.{name}"
        tensors[key] = (is_gamma + spread * draw.standard_normal(shape)).astype(config.get("dtype", "float32"))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    tokens = [*IN_ORDER, *(merge.replace(" ", "") for merge in MERGES), "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES, ""]), encoding="utf-8")
    return folder


def _shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    c = config["n_embd"]
    f = config["n_inner"] or 4 * c
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (config["vocab_size"], c),
        "wpe.weight": (config["n_positions"], c),
    }
    for n in range(config["n_layer"]):
        for name, sizes in (
            ("attn.c_attn", (c, 3 * c)),
            ("attn.c_proj", (c, c)),
            ("mlp.c_fc", (c, f)),
            ("mlp.c_proj", (f, c)),
        ):
            shapes |= {f"h.{n}.{name}.weight": sizes, f"h.{n}.{name}.bias": sizes[1:]}
        shapes |= {f"h.{n}.{norm}.{part}": (c,) for norm in ("ln_1", "ln_2") for part in ("weight", "bias")}
    shapes |= {"ln_f.weight": (c,), "ln_f.bias": (c,)}
    return shapes if config["tie_word_embeddings"] else shapes | {"lm_head.weight": (config["vocab_size"], c)}
