"""False statements in files of the older format: one CheckpointError each."""

import io
import pickle
import struct
import tarfile

import pytest
import torch

from starchart.checkpoints.pytorch.reader import open_pytorch
from starchart.checkpoints.stored_tensor import read_rows
from tests.checkpoints.pytorch.handmade import SYSTEM, legacy, program, state_dict, storage, tensor
from tests.checkpoints.pytorch.refusal import message_of
from tests.checkpoints.pytorch.samples import saved
from tests.checkpoints.raw_file import write

ONE = state_dict(a=tensor())
TWO = state_dict(a=tensor(), b=tensor(of=storage("1")))
NUMBERS = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
BOTH = {"0": (6, NUMBERS), "1": (6, bytes(24))}

LIES = {
    "another number first": (legacy(ONE, magic=1), "is a pickle, but not of torch.save: it begins with 1"),
    "a text first": (legacy(ONE, magic="torch"), "is a pickle, but not of torch.save: it begins with 'torch'"),
    "another version": (legacy(ONE, version=1002), "is of version 1002 of the older format of torch.save, not 1001"),
    "a version that is a float": (legacy(ONE, version=1001.0), "is of version 1001.0"),
    "big-endian": (legacy(ONE, system=SYSTEM | {"little_endian": False}), "does not say that it is little-endian"),
    "of no endianness": (legacy(ONE, system={}), "does not say that it is little-endian, but {}"),
    "of a list of systems": (legacy(ONE, system=["little_endian"]), "does not say that it is little-endian"),
    "keys in a tuple": (legacy(ONE, keys=("0",)), "its list of storages is no list of keys: ('0',)"),
    "keys that are numbers": (legacy(ONE, keys=[0]), "its list of storages is no list of keys: [0]"),
    "a key twice": (legacy(TWO, BOTH, keys=["0", "1", "0"]), "its list of storages has a key twice"),
    "a key missing": (legacy(TWO, BOTH, keys=["0"]), "storage '1' is not in its list of storages"),
    "a key too many": (legacy(ONE, BOTH), "storage '1' belongs to no tensor"),
    "a count that differs": (legacy(ONE, {"0": (5, bytes(20))}), "storage '0': has 5 numbers, not 6"),
    "a count below zero": (legacy(ONE, {"0": (-6, bytes(24))}), "storage '0': has 18446744073709551610 numbers, not 6"),
    "a storage cut off": (legacy(ONE)[:-1], "storage '0': reaches past the end of the file"),
    "no storages": (legacy(ONE)[:-32], "storage '0': reaches past the end of the file"),
    "half a count": (legacy(ONE)[:-28], "storage '0': reaches past the end of the file"),
    "a storage of 2^60 numbers": (
        legacy(state_dict(a=tensor(of=storage(count=2**60))), {"0": (2**60, bytes(24))}),
        "storage '0': reaches past the end of the file",
    ),
    "bytes left over": (legacy(ONE) + b"x", "1 bytes after the last storage belong to nothing"),
    "nothing after the first pickle": (pickle.dumps(0x1950A86A20F9469CFC6C, 2), "is cut off: 2 bytes should follow"),
    "text after the first pickle": (pickle.dumps(0x1950A86A20F9469CFC6C, 2) + b"and so on", "is not of a protocol"),
}


@pytest.mark.parametrize(("data", "words"), LIES.values(), ids=LIES)
def test_a_file_of_the_older_format_lies(data, words, tmp_path):
    assert words in message_of(tmp_path, data)


def test_the_true_file_is_read(tmp_path):
    tensors = open_pytorch(write(tmp_path, legacy(TWO, BOTH)))
    assert [row.tolist() for row in read_rows(tensors["a"])] == [[1, 2, 3], [4, 5, 6]]
    assert [row.tolist() for row in read_rows(tensors["b"])] == [[0, 0, 0], [0, 0, 0]]
    theirs = torch.load(write(tmp_path, saved({"a": torch.zeros(2, 3)}, _use_new_zipfile_serialization=False), "their"))
    assert theirs["a"].tolist() == [[0, 0, 0], [0, 0, 0]]


def test_no_prefix_of_a_true_file_is_one(tmp_path):
    data = saved({"a": torch.ones(2, 3), "b": torch.ones(2)}, _use_new_zipfile_serialization=False)
    for size in range(len(data)):
        assert message_of(tmp_path, data[:size])


def test_the_tar_format_is_named(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as out:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            member = tarfile.TarInfo(name)
            member.size = 4
            out.addfile(member, io.BytesIO(program(b"}")))
    assert "is in the tar format of PyTorch 0.1, which is not read" in message_of(tmp_path, file.getvalue())
