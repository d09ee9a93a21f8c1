"""Tensors that are outside their storage, or not laid out as a matrix: refused by name."""

import pytest
import torch

from starchart.checkpoints.pytorch.reader import open_pytorch
from starchart.checkpoints.stored_tensor import read_rows
from tests.checkpoints.pytorch.handmade import archive, name, state_dict, storage, tensor
from tests.checkpoints.pytorch.refusal import every_format, message_of
from tests.checkpoints.pytorch.samples import saved
from tests.checkpoints.raw_file import write

UNTYPED = storage(kind=name("torch.storage", "UntypedStorage"))
PAST = "tensor 'a': reaches past the 24 bytes of its storage: "
LIES = {
    "too long": (tensor((7,), (1,)), PAST + "offset 0, size (7,), strides (1,) of F32"),
    "too many rows": (tensor((3, 3)), PAST + "offset 0, size (3, 3), strides (3, 1) of F32"),
    "begins too late": (tensor(offset=1), PAST + "offset 1, size (2, 3), strides (3, 1) of F32"),
    "begins at the end": (tensor((1,), (1,), offset=6), PAST),
    "begins past the end": (tensor((1,), (1,), offset=2**64), PAST),
    "a stride too long": (tensor((2, 3), (4, 1)), PAST),
    "a stride of 2^64": (tensor((2, 3), (2**64, 1)), PAST),
    "2^64 rows of nothing": (tensor((2**64, 0), (0, 1)), "holds no numbers: its size is (18446744073709551616, 0)"),
    "no rows": (tensor((0,), (1,)), "holds no numbers: its size is (0,)"),
    "2^64 rows of the same": (tensor((2**64, 6), (0, 1)), "do not lie one after another"),
    "one number in all places": (tensor((2, 3), (0, 0)), "do not lie one after another: size (2, 3), strides (0, 0)"),
    "rows that overlap": (tensor((2, 3), (2, 1)), "do not lie one after another"),
    "every second": (
        tensor((3,), (2,)),
        "do not lie one after another: size (3,), strides (2,); save its contiguous()",
    ),
}


@every_format
@pytest.mark.parametrize(("value", "words"), LIES.values(), ids=LIES)
def test_a_tensor_lies_about_its_place(value, words, wrap, tmp_path):
    assert words in message_of(tmp_path, wrap(state_dict(a=value)))


def test_a_storage_of_a_graphics_card(tmp_path):
    # As older versions wrote it where the model was on one.
    value = tensor(of=storage(kind=name("torch.cuda", "HalfStorage"), count=12))
    assert open_pytorch(write(tmp_path, archive(state_dict(a=value))))["a"].dtype == "F16"


def test_a_storage_of_bytes(tmp_path):
    data = saved({"a": torch.zeros(6, dtype=torch.uint16)})
    assert open_pytorch(write(tmp_path, data))["a"].dtype == "U16"
    wider = data.replace(b"ctorch\nuint16\n", b"ctorch\nuint32\n")
    assert "reaches past the 12 bytes of its storage" in message_of(tmp_path, wider)


TORCH = {
    "part of each row": torch.arange(12.0).view(3, 4)[:, :2],
    "part of each column": torch.arange(12.0).view(3, 4).t()[:2],
    "every second row": torch.arange(12.0).view(4, 3)[::2],
    "one column": torch.arange(12.0).view(4, 3)[:, 1],
    "expanded": torch.arange(3.0).expand(2, 3),
    "a stack that is turned": torch.arange(24.0).view(2, 3, 4).permute(2, 0, 1),
}


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "older"])
@pytest.mark.parametrize("value", TORCH.values(), ids=TORCH)
def test_views_with_holes_are_refused_with_the_way_out(value, options, tmp_path):
    assert "tensor 'a': its numbers do not lie one after another" in message_of(
        tmp_path, saved({"a": value}, **options)
    )
    tensors = open_pytorch(write(tmp_path, saved({"a": value.contiguous()}, **options)))
    if value.dim() == 2:
        assert [row.tolist() for row in read_rows(tensors["a"])] == value.tolist()


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "older"])
def test_masks_need_not_lie_one_after_another(options, tmp_path):
    mask = torch.ones(1).expand(1, 1, 8, 8)
    state = {"transformer.h.0.attn.bias": mask, "h.1.attn.bias": mask, "a": torch.ones(3)}
    assert list(open_pytorch(write(tmp_path, saved(state, **options)))) == ["a"]


def test_only_the_tensors_of_the_state_dict_are_looked_at(tmp_path):
    values = {"model": {"a": torch.ones(2, 3)}, "rest": torch.arange(12.0).view(3, 4)[:, :2]}
    assert list(open_pytorch(write(tmp_path, saved(values)))) == ["a"]
