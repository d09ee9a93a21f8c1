"""Pickles that would run code, or take memory and time without end: one CheckpointError each, and nothing happens."""

import builtins
import copyreg
import os
import pickle
import subprocess
import tracemalloc
from collections import OrderedDict

import pytest
import torch

from starchart.checkpoints.pytorch.reader import open_pytorch
from starchart.errors import CheckpointError
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
from tests.checkpoints.pytorch.samples import saved
from tests.checkpoints.raw_file import write

WRAPPED = {"zip": archive, "older": legacy}
every_format = pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
DEEP = 100_000


def message_of(folder, data):
    path = write(folder, data, "pytorch_model.bin")
    with pytest.raises(CheckpointError) as caught:
        open_pytorch(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < 700 + len(str(path))
    return message


class Reduces:
    """Is unpickled by a call of what it is given."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call

    def __call__(self):  # else no pickler takes it for a function
        raise AssertionError


def attacks(marker):
    """Give attacks that make a file: what Python's pickle would do on loading, and what our message names."""
    touch = f"touch {marker}"
    write_it = f"open({str(marker)!r}, 'w').close()"
    system = Reduces(getattr, Reduces(builtins.__import__, "os"), "system")  # the function itself is the fruit of calls
    yield "os.system", Reduces(os.system, touch), "'posix', 'system'"
    yield "eval", Reduces(eval, write_it), "'eval'"
    yield "exec", Reduces(exec, write_it), "'exec'"
    yield "subprocess", Reduces(subprocess.call, ["touch", str(marker)]), "'commands', 'call'"  # as Python 2 has it
    yield "a folder", Reduces(os.mkdir, str(marker)), "'mkdir'"
    yield "a chain of calls", Reduces(system, touch), "'getattr'"
    yield "beside the weights", {"wte.weight": torch.zeros(2, 3), "x": Reduces(os.system, touch)}, "'system'"
    yield "as a key", {Reduces(os.system, touch): 1}, "'system'"
    yield "in the optimizer", {"model": {}, "optimizer": [{"lr": (Reduces(eval, write_it),)}]}, "'eval'"
    yield "an OrderedDict of calls", OrderedDict(a=Reduces(os.system, touch)), "'system'"


ATTACKS = [attack[0] for attack in attacks("")]


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=WRAPPED)
@pytest.mark.parametrize("attack", ATTACKS)
def test_no_code_runs(attack, options, tmp_path):
    marker = tmp_path / "marker"
    value, words = next((value, words) for name, value, words in attacks(marker) if name == attack)
    assert words in message_of(tmp_path, saved(value, **options))
    assert not marker.exists()


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_attacks_are_real(attack, tmp_path):
    marker = tmp_path / "marker"
    value = next(value for name, value, _ in attacks(marker) if name == attack)
    data = saved(value, _use_new_zipfile_serialization=False)
    torch.load(write(tmp_path, data, "pytorch_model.bin"), weights_only=False)
    assert marker.exists()


# By hand: opcodes that torch.save would not write, and arguments that no pickler would give.
NAMED = "which weights do not need; nothing of it was run"
RUNS = {
    "GLOBAL of os.system": (name("os", "system") + group(text("touch MARKER")) + b"R", NAMED),
    "INST": (b"(" + text("touch MARKER") + b"ios\nsystem\n", "(INST)"),
    "OBJ": (b"(" + name("collections", "OrderedDict") + b"o", "(OBJ)"),
    "NEWOBJ": (name("collections", "OrderedDict") + b")\x81", "(NEWOBJ)"),
    "NEWOBJ_EX": (name("collections", "OrderedDict") + b")}\x92", "(NEWOBJ_EX)"),
    "STACK_GLOBAL": (text("os") + text("system") + b"\x93" + group(text("touch MARKER")) + b"R", NAMED),
    "STACK_GLOBAL of numbers": (b"K\1K\2\x93", NAMED),
    "STACK_GLOBAL of tuples": (group(text("os")) + group(text("system")) + b"\x93", NAMED),
    "STACK_GLOBAL of itself": (name("collections", "OrderedDict") + text("__init__") + b"\x93", NAMED),
    "a dotted name": (name("torch", "serialization.os.system") + group(text("touch MARKER")) + b"R", NAMED),
    "a dotted name of what is allowed": (name("collections", "OrderedDict.__init__.__globals__"), NAMED),
    "a name of torch that is no weight": (name("torch.hub", "load"), NAMED),
    "torch.load": (name("torch", "load") + group(text("MARKER")) + b"R", NAMED),
    "a module": (name("torch.nn.modules.linear", "Linear"), NAMED),
    "an unknown storage": (name("torch", "QInt8Storage"), NAMED),
    "an empty name": (b"c\n\n", NAMED),
    "a name without end": (b"c" + b"a" * 300, "holds a name that is no name"),
    "a name that is not ASCII": (b"c\xff\xfe\nsystem\n", "holds a name that is no name"),
    "PERSID": (b"Pos.system\n", "(PERSID)"),
    "EXT1": (b"\x82\xf0", "(EXT1)"),
    "EXT2": (b"\x83\xf0\xf0", "(EXT2)"),
    "EXT4": (b"\x84\xf0\xf0\xf0\x70", "(EXT4)"),
    "NEXT_BUFFER": (b"\x97", "(NEXT_BUFFER)"),
    "no opcode": (b"\xff", "uses 0xff (no opcode)"),
}


@every_format
@pytest.mark.parametrize(("value", "words"), RUNS.values(), ids=RUNS)
def test_what_could_run_is_refused(value, words, wrap, tmp_path):
    marker = tmp_path / "marker"
    value = value.replace(text("touch MARKER"), text(f"touch {marker}"))
    copyreg.add_extension("os", "system", 0xF0)
    try:
        message = message_of(tmp_path, wrap(program(value, protocol=5)))
    finally:
        copyreg.remove_extension("os", "system", 0xF0)
    assert words in message
    assert not marker.exists()


def test_a_whole_model_is_refused_with_the_way_out(tmp_path):
    message = message_of(tmp_path, saved(torch.nn.Linear(2, 3)))
    assert "names 'torch.nn.modules.linear', 'Linear'" in message
    assert "torch.save(model.state_dict(), path)" in message


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


@every_format
def test_what_would_be_set_on_a_dict_is_dropped(wrap, tmp_path):
    state = b"}" + text("__class__") + text("x") + b"s" + b"}" + text("items") + text("y") + b"s\x86"
    path = write(tmp_path, wrap(program(b"}" + text("a") + tensor() + b"s" + state + b"b")))
    assert [*open_pytorch(path)] == ["a"]


PROGRAMS = {
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
    "a list as a key": (program(b"}]K\2s"), "has the key [], which is neither a text nor a small number"),
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
    "text not UTF-8": (program(b"X\2\0\0\0\xc3\x28"), "holds a text that is not UTF-8"),
    "half a surrogate": (program(b"X\3\0\0\0\xed\xa0\x80"), "holds a text that is not UTF-8"),
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
    if wrap is legacy and "is cut off" in words:
        whole = whole[: whole.index(data) + len(data)]
    assert words in message_of(tmp_path, whole)


LAUGHS = b"q\0h\0\x86" * 90  # each a pair of what came before


BOMBS = {
    "nested tuples": (program(b"}" + text("a") + b")" + b"\x85" * DEEP + b"s"), "holds no tensors, but ['a']"),
    "nested lists": (
        program(b"}" + text("a") + b"]" + b"]" * DEEP + b"a" * DEEP + b"s"),
        "holds no tensors, but ['a']",
    ),
    "nested dicts": (program(b"}" + b"K\1}" * (DEEP // 2) + b"s" * (DEEP // 2)), "holds no tensors, but [1]"),
    "nested tuples as a key": (program(b"})" + b"\x85" * DEEP + b"Ns"), "has the key ((((...),),),), which is neither"),
    "nested tuples as a name": (program(b")" + b"\x85" * DEEP + b")\x93"), "names ((((...),),),), ()"),
    "nested tuples as a size": (
        state_dict(a=tensor().replace(counts((2, 3)), b")" + b"\x85" * DEEP)),
        "must be whole numbers, not (0, (((...),),), (3, 1))",
    ),
    "nested tuples as arguments": (
        state_dict(a=name("collections", "OrderedDict") + b")" + b"\x85" * DEEP + b"R"),
        "makes an OrderedDict of ((((...),),),)",
    ),
    "a dict that holds itself": (program(b"}q\0" + text("a") + b"h\0s"), "holds no tensors"),
    "a list that holds itself": (program(b"]q\0h\0a"), "holds 'list'"),
    "a state dict that is its own": (program(b"}q\0" + text("model") + b"h\0s"), "holds no tensors, but ['model']"),
    "a key that holds itself": (program(b"}]q\0h\0a" + b"Ns"), "has the key [[[[...]]]], which is neither"),
    "a billion values": (program(b"}" + text("a") + b")" + LAUGHS + b"s"), "holds no tensors"),
    "a billion values as a key": (program(b"})" + LAUGHS + b"Ns"), "which is neither a text"),
    "a billion values as a size": (state_dict(a=tensor().replace(counts((2, 3)), b")" + LAUGHS)), "must be whole"),
    "a billion values as a storage": (program(b")" + LAUGHS + b"Q"), NOT_A_STORAGE),
    "a memo far out": (program(b"}r\xff\xff\xff\xffj\xff\xff\xff\xff" + text("a") + b"Ns"), "more than one value"),
    "a million numbers as a size, a thousand times": (
        program(
            b"("
            + b"K\1" * DEEP
            + b"tq\0"
            + storage()
            + b"q\1"
            + name("torch._utils", "_rebuild_tensor_v2")
            + b"q\2("
            + b"h\2(h\1K\0h\0h\0\x89)tR" * 1000
        ),
        "must be whole numbers",
    ),
    "a long name, ten thousand times": (
        program(b"X\0\x09\x3d\0" + b"a" * 4_000_000 + b"q\0" + b"h\0h\0\x93" * 10_000),
        "its pickle is 4050010 bytes long; the limit is 4000000",
    ),
    "numbers of 600 digits": (
        state_dict(a=tensor().replace(counts((2, 3)), group(number(2**2000), number(2**2000)))),
        "reaches past the 24 bytes of its storage",
    ),
}
MEMORY_BOMBS = {
    "a million marks": (program(b"(" * 10**6), "has more than 250000 opcodes"),
    "marks": (program(b"(" * 249_000 + b")"), "leaves more than one value"),
    "kept dicts": (program(b"(" + b"}\x94" * 124_000 + b"t"), "holds 'tuple'"),
    "kept texts": (program(b"(" + (text("\N{OLD PERSIAN SIGN A}" * 5) + b"\x94") * 124_000 + b"t"), "holds 'tuple'"),
    "one long text": (program(text("\N{OLD PERSIAN SIGN A}" + "a" * 3_900_000)), "holds 'str'"),
    "dicts of a dict of a dict": (program(b"}" + b"K\1}" * 80_000 + b"s" * 80_000), "holds no tensors, but [1]"),
    "tensors": (
        program(
            b"("
            + storage()
            + b"q\1"
            + name("torch._utils", "_rebuild_tensor_v2")
            + b"q\2"
            + b"(h\1K\0K\6\x85K\1\x85\x89)tq\3"
            + b"h\2h\3R" * 80_000
            + b"t"
        ),
        "holds 'tuple'",
    ),
}


@pytest.mark.parametrize(("data", "words"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_disarmed(data, words, tmp_path):
    assert words in message_of(tmp_path, archive(data))


@pytest.mark.parametrize(("data", "words"), MEMORY_BOMBS.values(), ids=MEMORY_BOMBS)
def test_memory_is_bounded(data, words, tmp_path):
    whole = archive(data)
    tracemalloc.start()
    try:
        assert words in message_of(tmp_path, whole)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000


def test_a_tensor_under_many_names(tmp_path):
    names = b"".join(b"\x8c\5%05dh\1" % n for n in range(80_000))
    path = write(tmp_path, archive(program(b"}(" + text("a") + tensor() + b"q\1" + names + b"u", protocol=4)))
    tracemalloc.start()
    try:
        tensors = open_pytorch(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(tensors) == 80_001
    assert peak < 50_000_000


def test_a_long_pickle_of_the_older_format(tmp_path):
    data = legacy(program(b"}" + text("a" * 4_000_000) + b"Ns"))
    assert "is cut off: 4000000 bytes should follow or is longer than 4000000 bytes" in message_of(tmp_path, data)


def test_any_other_pickle(tmp_path):
    for value in ({"wte.weight": [1.0]}, [1, 2], "text", 7):
        for protocol in (2, 3, 4, 5):
            message = message_of(tmp_path, pickle.dumps(value, protocol=protocol))
            assert "is a pickle, but not of torch.save: it begins with" in message
