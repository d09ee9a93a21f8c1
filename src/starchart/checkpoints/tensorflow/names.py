"""Names of OpenAI's variables, and Hugging Face's names for the same tensors.

    model/wte, model/wpe         wte.weight, wpe.weight
    model/hN/ln_1/g, .../b       h.N.ln_1.weight, .bias          ln_2 and model/ln_f alike
    model/hN/attn/c_attn/w       h.N.attn.c_attn.weight          a convolution of width 1: [1][in][out]
    model/hN/attn/c_attn/b       h.N.attn.c_attn.bias            attn/c_proj, mlp/c_fc, mlp/c_proj alike

Source: openai/gpt-2, src/model.py: the scopes and variables of `model`, `block`, `attn`, `mlp`, `norm` and `conv1d`.
"""

import re

MODEL = b"model/"
_TABLE = re.compile(r"model/(wte|wpe)")
_NORM = re.compile(r"model/(?:h([0-9]+)/(ln_1|ln_2)|ln_f)/([gb])")
_LAYER = re.compile(r"model/h([0-9]+)/(attn|mlp)/(c_attn|c_fc|c_proj)/([wb])")
# What an optimizer stores for each variable in a training checkpoint.
_SLOT = re.compile(rb"/(Adam|Adam_1|Momentum)\Z")


def is_weight(name: bytes) -> bool:
    """Return whether a name is that of a variable of the model, not of a counter or of the optimizer.

    >>> [is_weight(name) for name in (b"model/wte", b"model/wte/Adam_1", b"global_step")]
    [True, False, False]
    """
    return name.startswith(MODEL) and not _SLOT.search(name)


def hugging_face_name(name: str) -> str:
    """Return Hugging Face's name of a variable, or the same name if it has none.

    >>> hugging_face_name("model/h0/attn/c_attn/w"), hugging_face_name("model/ln_f/b"), hugging_face_name("model/wte")
    ('h.0.attn.c_attn.weight', 'ln_f.bias', 'wte.weight')
    """
    if match := _TABLE.fullmatch(name):
        return f"{match[1]}.weight"
    if match := _NORM.fullmatch(name):
        place = f"h.{match[1]}.{match[2]}" if match[1] else "ln_f"
        return f"{place}.{_KINDS[match[3]]}"
    if match := _LAYER.fullmatch(name):
        return f"h.{match[1]}.{match[2]}.{match[3]}.{_KINDS[match[4]]}"
    return name


_KINDS = {"g": "weight", "w": "weight", "b": "bias"}
