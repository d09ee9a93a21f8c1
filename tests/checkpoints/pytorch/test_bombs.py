"""Pickles that would take unlimited memory and time: one CheckpointError each, quickly and with little memory."""

import tracemalloc

import pytest

from starchart.checkpoints.pytorch.reader import open_pytorch
from tests.checkpoints.pytorch.handmade import (
    archive,
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
from tests.checkpoints.pytorch.refusal import message_of
from tests.checkpoints.raw_file import write

DEEP = 100_000
NOT_A_STORAGE = "refers by its persistent id to what is no storage"
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
    "a billion values as a key": (program(b"})" + LAUGHS + b"Ns"), "which is neither a string"),
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
            + b"h\2h\3R" * 20_000
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
    names = b"".join(b"\x8c\5%05dh\1" % n for n in range(9_999))
    path = write(tmp_path, archive(program(b"}(" + text("a") + tensor() + b"q\1" + names + b"u", protocol=4)))
    tracemalloc.start()
    try:
        tensors = open_pytorch(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(tensors) == 10_000
    assert peak < 50_000_000


def test_a_large_model_of_one_small_storage(tmp_path):
    numbers = storage(count=10_000)
    views = {str(n): tensor((100, 100), (100, 1), of=numbers) for n in range(4)}
    message = message_of(tmp_path, archive(state_dict(**views), {"0": bytes(40_000)}))
    assert "its tensors share bytes: together they have 160000, and the file " in message
    del views["3"]
    assert len(open_pytorch(write(tmp_path, archive(state_dict(**views), {"0": bytes(40_000)})))) == 3


def test_more_tensors_than_any_model_has(tmp_path):
    names = b"".join(b"\x8c\5%05dh\1" % n for n in range(10_000))
    data = archive(program(b"}(" + text("a") + tensor() + b"q\1" + names + b"u", protocol=4))
    assert "has 10001 tensors; no GPT-2 has more than 10000" in message_of(tmp_path, data)


def test_a_long_pickle_of_the_older_format(tmp_path):
    data = legacy(program(b"}" + text("a" * 4_000_000) + b"Ns"))
    assert "is cut off: 4000000 bytes should follow or is longer than 4000000 bytes" in message_of(tmp_path, data)
