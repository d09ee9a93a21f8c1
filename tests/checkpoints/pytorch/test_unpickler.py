"""Pickles that do not describe tensors correctly: one CheckpointError each."""

import pickle

import pytest
import torch

from tests.checkpoints.pytorch.handmade import (
    HOOKS,
    archive,
    call,
    counts,
    group,
    legacy,
    name,
    number,
    program,
    state_dict,
    storage,
    tensor,
    text,
)
from tests.checkpoints.pytorch.refusal import every_format, message_of

CALLS = {
    "a call of a text": (call(text("eval"), text("1")), "calls 'eval' with ('1',)"),
    "a call of a dict": (b"})R", "calls {} with ()"),
    "a call of a dtype": (call(name("torch", "float32")), "calls Dtype(dtype='F32')"),
    "a call of a storage type": (call(name("torch", "FloatStorage"), number(6)), "calls StorageType(dtype='F32')"),
    "a call of a tensor": (tensor() + b")R", "calls Tensor("),
    "a call with a list": (name("collections", "OrderedDict") + b"]R", "with []"),
    "an OrderedDict of items": (call(name("collections", "OrderedDict"), b"]"), "makes an OrderedDict of ([],)"),
    "a tensor of nothing": (call(name("torch._utils", "_rebuild_tensor_v2")), "describes a tensor by ()"),
    "a tensor of a text": (
        call(name("torch._utils", "_rebuild_tensor_v2"), text("0"), *[b"K\0"] * 5),
        "describes a tensor by ('0', 0, 0, 0, 0, 0)",
    ),
    "a tensor of eight parts": (
        call(name("torch._utils", "_rebuild_tensor_v2"), storage(), *[b"K\0"] * 7),
        "describes a tensor by (Storage(",
    ),
    "a tensor of no dtype": (
        call(name("torch._utils", "_rebuild_tensor_v3"), storage(), *[b"K\0"] * 6),
        "describes a tensor by (Storage(",
    ),
    "a parameter of no tensor": (
        call(name("torch._utils", "_rebuild_parameter"), b"K\0", b"\x88", HOOKS),
        "describes a parameter by (0, True, {})",
    ),
    "state set on a tensor": (tensor() + b"}b", "adds to a dict that is not there"),
    "state set on nothing": (b"}b", "adds to a dict that is not there"),
    "state set on a list": (b"]}b", "adds to a dict that is not there"),
}
NOT_A_STORAGE = "refers by its persistent id to what is no storage"
REFERENCES = {
    "a text": (text("0") + b"Q", NOT_A_STORAGE + ": '0'"),
    "a number": (b"K\0Q", NOT_A_STORAGE),
    "nothing": (b")Q", NOT_A_STORAGE),
    "a module": (group(text("module"), text("os"), text("x.py"), text("import os")) + b"Q", NOT_A_STORAGE),
    "a type that is a text": (storage(kind=text("FloatStorage")), NOT_A_STORAGE),
    "a type that is a dtype": (storage(kind=name("torch", "float32")), NOT_A_STORAGE),
    "a type that is a dict": (storage(kind=name("collections", "OrderedDict")), NOT_A_STORAGE),
    "a key that is a number": (storage().replace(text("0"), b"K\0"), NOT_A_STORAGE),
    "a key without end": (storage("x" * 10**6), NOT_A_STORAGE),
    "a count below zero": (storage(count=-6), NOT_A_STORAGE),
    "a count that is true": (storage().replace(number(6), b"\x88"), NOT_A_STORAGE),
    "a count that is a float": (storage().replace(number(6), b"G" + bytes(8)), NOT_A_STORAGE),
    "a part of another storage": (storage().replace(b"tQ", group(text("1"), b"K\0K\1") + b"tQ"), NOT_A_STORAGE),
    "six parts and one more": (storage().replace(b"tQ", b"NNtQ"), NOT_A_STORAGE),
    "a storage of two types": (
        b"(" + storage() + storage(kind=name("torch", "IntStorage")) + b"t",
        "describes storage '0' in two ways",
    ),
    "a storage of two sizes": (b"(" + storage() + storage(count=5) + b"t", "describes storage '0' in two ways"),
}
SHAPES = {
    "size a list": (b"](K\2K\3e", counts((3, 1)), "must be whole numbers, not (0, [2, 3], (3, 1))"),
    "size a number": (b"K\6", counts((1,)), "must be whole numbers, not (0, 6, (1,))"),
    "size negative": (counts((-2, -3)), counts((3, 1)), "must be whole numbers, not (0, (-2, -3), (3, 1))"),
    "size of truths": (b"(\x88\x88t", counts((1, 1)), "must be whole numbers, not (0, (True, True), (1, 1))"),
    "size of texts": (group(text("6")), counts((1,)), "must be whole numbers, not (0, ('6',), (1,))"),
    "strides negative": (counts((2, 3)), counts((-3, -1)), "must be whole numbers"),
    "strides none": (counts((2, 3)), b"N", "must be whole numbers, not (0, (2, 3), None)"),
    "of nine axes": (counts((1,) * 9), counts((1,) * 9), "must be whole numbers, not (0, (1, 1, 1, 1, 1, 1, ...)"),
    "more strides than axes": (counts((6,)), counts((1, 1)), "a tensor has the size (6,), but the strides (1, 1)"),
}


@every_format
@pytest.mark.parametrize(
    ("value", "words"),
    [*CALLS.values(), *REFERENCES.values()],
    ids=[*CALLS, *(f"refers to {kind}" for kind in REFERENCES)],
)
def test_calls_and_references_that_lie(value, words, wrap, tmp_path):
    assert words in message_of(tmp_path, wrap(state_dict(a=value)))


@every_format
@pytest.mark.parametrize(("size", "strides", "words"), SHAPES.values(), ids=SHAPES)
def test_sizes_that_are_none(size, strides, words, wrap, tmp_path):
    value = call(name("torch._utils", "_rebuild_tensor_v2"), storage(), number(0), size, strides, b"\x89", HOOKS)
    assert words in message_of(tmp_path, wrap(state_dict(a=value)))


@every_format
def test_a_negated_tensor(wrap, tmp_path):
    marked = text("neg") + b"\x88"
    view = number(0), counts((6,)), counts((1,)), b"\x89", HOOKS
    value = call(name("torch._utils", "_rebuild_tensor_v2"), storage(), *view, b"}" + marked + b"s")
    assert "marked as negated or conjugated: [{'neg': True}]" in message_of(tmp_path, wrap(state_dict(a=value)))
    if wrap is archive:  # it is what torch writes: torch reads it
        assert torch.load(tmp_path / "pytorch_model.bin", weights_only=True)["a"].is_neg()


PROGRAMS = {
    "an offset below zero": (
        state_dict(a=tensor().replace(number(0), b"J\xff\xff\xff\xff", 1)),
        "must be whole numbers, not (-1, (2, 3), (3, 1))",
    ),
    "empty": (b"", "is cut off"),
    "protocol 1": (b"\x80\1}.", "is not of a protocol from 2 to 5: it begins with b'\\x80\\x01'"),
    "protocol 6": (b"\x80\6}.", "is not of a protocol from 2 to 5"),
    "no protocol": (b"}.", "is not of a protocol from 2 to 5"),
    "protocol twice": (program(b"\x80\2}"), "uses 0x80 (PROTO)"),
    "no value": (program(b""), "takes a value off an empty stack"),
    "two values": (program(b"}}"), "leaves more than one value"),
    "a mark left": (program(b"(}"), "leaves more than one value"),
    "no mark": (program(b"t"), "looks for a mark that is not there"),
    "a value below the mark": (program(b"}(R"), "takes a value off an empty stack"),
    "TUPLE2 of one": (program(b"K\1\x86"), "takes a value off an empty stack"),
    "APPEND to a tuple": (program(b")K\1a"), "adds to a list that is not there"),
    "APPEND to nothing": (program(b"K\1a"), "adds to a list that is not there"),
    "APPENDS to a dict": (program(b"}(K\1e"), "adds to a list that is not there"),
    "SETITEM on a list": (program(b"]K\1K\2s"), "adds to a dict that is not there"),
    "SETITEMS without a value": (program(b"}(K\1u"), "has a key without a value"),
    "a list as a key": (program(b"}]K\2s"), "has the key [], which is neither a string nor a small number"),
    "a tuple as a key": (program(b"}K\1\x85K\2s"), "has the key (1,), which is neither"),
    "a float as a key": (program(b"}G" + bytes(8) + b"K\2s"), "has the key 0.0, which is neither"),
    "true as a key": (program(b"}\x88K\2s"), "has the key True, which is neither"),
    "none as a key": (program(b"}NK\2s"), "has the key None, which is neither"),
    "a large number as a key": (program(b"}" + number(2**31) + b"K\2s"), "has the key 2147483648, which is neither"),
    "a key twice": (program(b"}(K\1NK\1Nu"), "has the key 1 twice"),
    "a name twice": (state_dict(a=tensor())[:-2] + text("a") + tensor() + b"u.", "has the key 'a' twice"),
    "BINGET of nothing": (program(b"h\7"), "asks for value 7, which it has not kept"),
    "LONG_BINGET of nothing": (program(b"j\xff\xff\xff\xff"), "asks for value 4294967295, which it has not kept"),
    "BINPUT of nothing": (program(b"q\0"), "keeps a value that is not there"),
    "MEMOIZE of nothing": (program(b"\x94"), "keeps a value that is not there"),
    "text not UTF-8": (program(b"X\2\0\0\0\xc3\x28"), "holds a string that is not UTF-8"),
    "half a surrogate": (program(b"X\3\0\0\0\xed\xa0\x80"), "holds a string that is not UTF-8"),
    "text longer than the file": (b"\x80\2X\xff\xff\xff\xffabc", "is cut off: 4294967295 bytes should follow"),
    "short text longer than the file": (b"\x80\4\x8c\xffabc", "is cut off: 255 bytes should follow"),
    "LONG1 longer than the file": (b"\x80\2\x8a\xffabc", "is cut off: 255 bytes should follow"),
    "half a number": (b"\x80\2J\1\2", "is cut off: 4 bytes should follow"),
    "half a float": (b"\x80\2G\1\2", "is cut off: 8 bytes should follow"),
    "LONG4": (program(b"\x8b\xff\xff\xff\x7f"), "uses 0x8b (LONG4)"),
    "LONG": (program(b"L1" + b"0" * 10**6 + b"L\n"), "uses 0x4c (LONG)"),
    "INT": (program(b"I01\n"), "uses 0x49 (INT)"),
    "BINUNICODE8": (program(b"\x8d" + b"\xff" * 8), "uses 0x8d (BINUNICODE8)"),
    "BINBYTES8": (program(b"\x8e" + b"\xff" * 8), "uses 0x8e (BINBYTES8)"),
    "BYTEARRAY8": (program(b"\x96" + b"\xff" * 8), "uses 0x96 (BYTEARRAY8)"),
    "a frame longer than the file": (
        b"\x80\4\x95" + b"\xff" * 8 + b"}.",
        "says that 18446744073709551615 bytes follow",
    ),
    "DUP": (program(b"]2"), "uses 0x32 (DUP)"),
    "SET": (program(b"\x8f"), "uses 0x8f (EMPTY_SET)"),
    "a number": (program(number(7)), "holds 'int', not a dict of tensors"),
    "a tensor": (program(tensor()), "holds 'Tensor', not a dict of tensors"),
    "a list of tensors": (program(b"]" + tensor() + b"a"), "holds 'list', not a dict of tensors"),
    "an empty dict": (program(b"}"), "holds no tensors, but []"),
    "a dict of numbers": (state_dict(a=b"K\1"), "holds no tensors, but ['a']"),
    "a tensor under a number": (program(b"}K\7" + tensor() + b"s"), "holds a tensor under 7, which is no name"),
    "two state dicts": (
        state_dict(model=b"}", state_dict=b"}"),
        "more than one dict of tensors: ['state_dict', 'model']",
    ),
    "a state dict in a state dict": (state_dict(model=b"}" + text("model") + b"}s"), "holds no tensors, but ['model']"),
}


@every_format
@pytest.mark.parametrize(("data", "words"), PROGRAMS.values(), ids=PROGRAMS)
def test_programs_that_are_none(data, words, wrap, tmp_path):
    whole = wrap(data)
    if wrap is legacy and data and "is cut off" in words:
        whole = whole[: whole.index(data) + len(data)]
    assert words in message_of(tmp_path, whole)


def test_any_other_pickle(tmp_path):
    for value in ({"wte.weight": [1.0]}, [1, 2], "text", 7):
        for protocol in (2, 3, 4, 5):
            message = message_of(tmp_path, pickle.dumps(value, protocol=protocol))
            assert "is a pickle, but not of torch.save: it begins with" in message
