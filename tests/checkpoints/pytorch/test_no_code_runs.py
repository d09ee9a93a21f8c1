"""Pickles that would run code: one CheckpointError each, and nothing runs."""

import builtins
import copyreg
import os
import subprocess
from collections import OrderedDict

import pytest
import torch

from starchart.checkpoints.pytorch.reader import open_pytorch
from tests.checkpoints.pytorch.handmade import (
    group,
    name,
    program,
    tensor,
    text,
)
from tests.checkpoints.pytorch.refusal import WRAPPED, every_format, message_of
from tests.checkpoints.pytorch.samples import saved
from tests.checkpoints.raw_file import write


class Reduces:
    """Its pickle calls the function that it is given."""

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
    system = Reduces(
        getattr, Reduces(builtins.__import__, "os"), "system"
    )  # the function itself is the result of calls
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


# By hand: opcodes that torch.save does not write, and arguments that no pickler writes.
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
    "a name without end": (b"c" + b"a" * 300, "has a name that is not ASCII, or is too long"),
    "a name that is not ASCII": (b"c\xff\xfe\nsystem\n", "has a name that is not ASCII, or is too long"),
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


@every_format
def test_what_would_be_set_on_a_dict_is_dropped(wrap, tmp_path):
    state = b"}" + text("__class__") + text("x") + b"s" + b"}" + text("items") + text("y") + b"s\x86"
    path = write(tmp_path, wrap(program(b"}" + text("a") + tensor() + b"s" + state + b"b")))
    assert [*open_pytorch(path)] == ["a"]
