"""Names in the file become names of fields."""

import pytest

from starchart.checkpoints.names import rename_tensors
from starchart.errors import CheckpointError


def test_the_prefix_is_optional_and_order_is_kept():
    names = ["transformer.wte.weight", "h.0.ln_1.bias", "lm_head.weight", "transformer.h.11.attn.c_attn.bias"]
    renamed = rename_tensors({name: index for index, name in enumerate(names)}, "x")
    assert list(renamed.items()) == [
        ("wte.weight", 0),
        ("h.0.ln_1.bias", 1),
        ("lm_head.weight", 2),
        ("h.11.attn.c_attn.bias", 3),
    ]


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_masks_are_left_out_and_nothing_else(prefix):
    masks = ["h.0.attn.bias", "h.0.attn.masked_bias", "h.47.attn.bias"]
    kept = ["h.0.attn.c_attn.bias", "h.0.attn.bias.x", "h.x.attn.bias", "attn.bias", "h.0.mlp.bias", "xh.0.attn.bias"]
    assert list(rename_tensors(dict.fromkeys([prefix + name for name in masks + kept]), "x")) == kept


def test_only_one_prefix_is_taken_off():
    assert list(rename_tensors({"transformer.transformer.wte.weight": 1}, "x")) == ["transformer.wte.weight"]


def test_both_forms_of_one_name_are_refused():
    with pytest.raises(CheckpointError, match=r"^dir/file: has tensor 'wte.weight' twice"):
        rename_tensors({"transformer.wte.weight": 1, "wpe.weight": 2, "wte.weight": 3}, "dir/file")
