"""Arrays as a big-endian machine has them, so that the code for such machines runs on this one.

There the bytes of an `array` begin with the highest. Only that is imitated; numbers that are read through a
memoryview stay as on this machine.
"""

import sys
from array import array


class BigEndianArray(array):
    def __new__(cls, typecode, initial=()):
        made = super().__new__(cls, typecode)
        if isinstance(initial, bytes | bytearray):
            made.frombytes(initial)
        else:
            made.extend(array(typecode, initial))
        return made

    def __getitem__(self, index):
        part = super().__getitem__(index)
        return BigEndianArray(self.typecode, part) if isinstance(index, slice) else part

    def tobytes(self):
        swapped = array(self.typecode, self)
        swapped.byteswap()
        return swapped.tobytes()

    def frombytes(self, data):
        words = array(self.typecode)
        words.frombytes(bytes(data))
        words.byteswap()
        self.extend(words)


def pretend_big_endian(monkeypatch, *modules):
    assert sys.byteorder == "little"
    monkeypatch.setattr(sys, "byteorder", "big")
    for module in modules:
        monkeypatch.setattr(module, "array", BigEndianArray)
