"""Names of tensors in files, and in our own form: the paths of the fields of GPTModelWeights.

The official gpt2 file says `h.0.ln_1.weight`; what transformers saves says `transformer.h.0.ln_1.weight`. Old files
also keep each block's causal mask (`attn.bias`, the triangle of ones, and `attn.masked_bias`, the number that hides a
score). These are not weights: they are left out, unread.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

from starchart.errors import CheckpointError
from starchart.files.json_file import shown

_PREFIX = "transformer."
_LAYER_MATRIX = re.compile(r"h\.[0-9]+\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight")
_MASK = re.compile(r"h\.[0-9]+\.attn\.(bias|masked_bias)")

Tensor = TypeVar("Tensor")


def name_in_file(name: str) -> str:
    """Return the name that transformers saves for a tensor that is `name` in our form.

    >>> name_in_file("h.0.ln_1.bias"), name_in_file("lm_head.weight")
    ('transformer.h.0.ln_1.bias', 'lm_head.weight')
    """
    return name if name.startswith("lm_head.") else _PREFIX + name


def our_name(name: str) -> str:
    """Return the name in our form for a tensor that is `name` in a file."""
    return name.removeprefix(_PREFIX)


def is_layer_matrix(name: str) -> bool:
    """Return whether a tensor, by our name, is the matrix of a linear layer, which some formats keep as [out][in].

    >>> is_layer_matrix("h.3.mlp.c_fc.weight"), is_layer_matrix("wte.weight")
    (True, False)
    """
    return _LAYER_MATRIX.fullmatch(name) is not None


def is_mask(name: str) -> bool:
    """Return whether a tensor, by our name, is a mask and not a weight."""
    return _MASK.fullmatch(name) is not None


def rename_tensors(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Return the tensors under our names, without masks.

    Raises CheckpointError if a name is there both with and without the prefix. `source` names the checkpoint in it.

    >>> rename_tensors({"transformer.wte.weight": 1, "transformer.h.0.attn.bias": 2, "lm_head.weight": 3}, "example")
    {'wte.weight': 1, 'lm_head.weight': 3}
    """
    renamed: dict[str, Tensor] = {}
    for file_name, tensor in tensors.items():
        name = our_name(file_name)
        if name in renamed:
            raise CheckpointError(f"{source}: has tensor {shown(name)} twice, with the prefix '{_PREFIX}' and without")
        renamed[name] = tensor
    return {name: tensor for name, tensor in renamed.items() if not is_mask(name)}
