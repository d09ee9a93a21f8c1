"""The opcodes of pickles that torch.save writes, for protocols 2 to 5, and no others. No code of a file is ever run.

Python's own pickle calls any function that a file names. Here every name must be in `symbols`, a short list; any other
name is refused. Opcodes that are not in the table below are refused too: those that build instances, take names from a
registry, or copy values. Values are numbers, strings, tuples, lists, dicts, storages and tensors. The attributes that
`BUILD` would set on an object (an OrderedDict of weights has `_metadata`) are dropped. Sources: Lib/pickletools.py of
CPython, for the names; PEP 307, PEP 3154, PEP 574.
"""

import pickletools
import struct
from collections.abc import Callable
from typing import Any

from starchart.checkpoints.pytorch.machine import MAX_OPCODES, Machine
from starchart.checkpoints.pytorch.symbols import SYMBOLS, Callee, Storage, storage_of
from starchart.files.json_file import shown

_PROTO, _STOP = 0x80, ord(".")
_PROTOCOLS = range(2, 6)
_NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}
_SMALL = 2**31  # for numbers as keys: larger ones can share one hash, and then a dict becomes very slow


def unpickle(data: bytes, at: int, source: str) -> tuple[Any, dict[str, Storage], int]:
    """Return the value of the pickle at byte `at` of `data`, the storages in it by key, and the byte where it ends.

    Raises CheckpointError, in which `source` names the file, for anything that is not described above.
    """
    machine = Machine(data, at, source)
    protocol = machine.take(2)
    if protocol[0] != _PROTO or protocol[1] not in _PROTOCOLS:
        raise machine.error(f"is not of a protocol from 2 to 5: it begins with {protocol!r}")
    for _ in range(MAX_OPCODES):
        code = machine.take(1)[0]
        if code == _STOP:
            value = machine.pop()
            if machine.stack or machine.below:
                raise machine.error("leaves more than one value")
            return value, machine.storages, machine.at
        if code not in _OPCODES:
            name = _NAMES.get(code, "no opcode")
            raise machine.error(f"uses {code:#04x} ({name}), which torch.save does not write; it is not to be trusted")
        _OPCODES[code](machine)
    raise machine.error(f"has more than {MAX_OPCODES} opcodes, which no weights need")


def _frame(machine: Machine) -> None:
    size = machine.take_number(8)
    if size > len(machine.data) - machine.at:
        raise machine.error(f"says that {size} bytes follow, more than there are; fetch the file again")


def _long1(machine: Machine) -> None:
    machine.push(int.from_bytes(machine.take(machine.take_number(1)), "little", signed=True))


def _tuple_of(count: int) -> Callable[[Machine], None]:
    def make(machine: Machine) -> None:
        machine.push(tuple([machine.pop() for _ in range(count)][::-1]))

    return make


def _append(machine: Machine) -> None:
    value = machine.pop()
    machine.top(list).append(value)


def _appends(machine: Machine) -> None:
    values = machine.pop_to_mark()
    machine.top(list).extend(values)


def _setitem(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _set_items(machine, [key, value])


def _set_items(machine: Machine, values: list[Any]) -> None:
    if len(values) % 2:
        raise machine.error("has a key without a value")
    target = machine.top(dict)
    for key, value in zip(values[::2], values[1::2], strict=True):
        if not isinstance(key, str) and not (type(key) is int and abs(key) < _SMALL):
            raise machine.error(f"has the key {shown(key)}, which is neither a string nor a small number")
        if key in target:
            raise machine.error(f"has the key {shown(key)} twice")
        target[key] = value


def _get(size: int) -> Callable[[Machine], None]:
    def get(machine: Machine) -> None:
        index = machine.take_number(size)
        if index not in machine.memo:
            raise machine.error(f"asks for value {index}, which it has not kept")
        machine.push(machine.memo[index])

    return get


def _put(machine: Machine, index: int) -> None:
    if not machine.stack:
        raise machine.error("keeps a value that is not there")
    machine.memo[index] = machine.stack[-1]


def _name(machine: Machine, module: Any, name: Any) -> None:
    symbol = SYMBOLS.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
    if symbol is None:
        raise machine.error(
            f"names {shown(module)}, {shown(name)}, which weights do not need; nothing of it was run. "
            "From a file that you trust, save the weights alone: torch.save(model.state_dict(), path)"
        )
    machine.push(symbol)


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    _name(machine, module, name)


def _reduce(machine: Machine) -> None:
    arguments, callee = machine.pop(), machine.pop()
    if not isinstance(callee, Callee) or not isinstance(arguments, tuple):
        raise machine.error(f"calls {shown(callee)} with {shown(arguments)}")
    machine.push(callee.call(arguments, machine.source))


def _build(machine: Machine) -> None:
    machine.pop()
    machine.top(dict)


def _storage(machine: Machine) -> None:
    storage = storage_of(machine.pop(), machine.source)
    if machine.storages.setdefault(storage.key, storage) != storage:
        raise machine.error(f"describes storage {shown(storage.key)} in two ways")
    machine.push(storage)


_OPCODES: dict[int, Callable[[Machine], None]] = {
    0x95: _frame,  # FRAME
    ord("("): Machine.mark,  # MARK
    ord("N"): lambda machine: machine.push(None),  # NONE
    0x88: lambda machine: machine.push(True),  # NEWTRUE
    0x89: lambda machine: machine.push(False),  # NEWFALSE
    ord("K"): lambda machine: machine.push(machine.take_number(1)),  # BININT1
    ord("M"): lambda machine: machine.push(machine.take_number(2)),  # BININT2
    ord("J"): lambda machine: machine.push(*struct.unpack("<i", machine.take(4))),  # BININT
    0x8A: _long1,  # LONG1
    ord("G"): lambda machine: machine.push(*struct.unpack(">d", machine.take(8))),  # BINFLOAT
    0x8C: lambda machine: machine.push(machine.take_string(1)),  # SHORT_BINUNICODE
    ord("X"): lambda machine: machine.push(machine.take_string(4)),  # BINUNICODE
    ord(")"): lambda machine: machine.push(()),  # EMPTY_TUPLE
    0x85: _tuple_of(1),  # TUPLE1
    0x86: _tuple_of(2),  # TUPLE2
    0x87: _tuple_of(3),  # TUPLE3
    ord("t"): lambda machine: machine.push(tuple(machine.pop_to_mark())),  # TUPLE
    ord("]"): lambda machine: machine.push([]),  # EMPTY_LIST
    ord("a"): _append,  # APPEND
    ord("e"): _appends,  # APPENDS
    ord("}"): lambda machine: machine.push({}),  # EMPTY_DICT
    ord("s"): _setitem,  # SETITEM
    ord("u"): lambda machine: _set_items(machine, machine.pop_to_mark()),  # SETITEMS
    ord("q"): lambda machine: _put(machine, machine.take_number(1)),  # BINPUT
    ord("r"): lambda machine: _put(machine, machine.take_number(4)),  # LONG_BINPUT
    0x94: lambda machine: _put(machine, len(machine.memo)),  # MEMOIZE
    ord("h"): _get(1),  # BINGET
    ord("j"): _get(4),  # LONG_BINGET
    ord("c"): lambda machine: _name(machine, machine.take_line(), machine.take_line()),  # GLOBAL
    0x93: _stack_global,  # STACK_GLOBAL
    ord("R"): _reduce,  # REDUCE
    ord("b"): _build,  # BUILD
    ord("Q"): _storage,  # BINPERSID
}
