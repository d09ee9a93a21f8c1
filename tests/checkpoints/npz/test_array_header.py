"""Headers of .npy arrays: every form that is allowed, and every false one refused. Nothing is ever evaluated."""

import io
import random
import struct
import sys

import numpy as np
import pytest

from starchart.checkpoints.npz.reader import ArrayHeader, read_array_header
from starchart.errors import CheckpointError

MARKER = "starchart_header_was_evaluated"


def npy(text, data=bytes(24), version=(1, 0), length=None):
    raw = text if isinstance(text, bytes) else text.encode()
    size = struct.pack("<H" if version == (1, 0) else "<I", len(raw) if length is None else length)
    return b"\x93NUMPY" + bytes(version) + size + raw + data


def read(data):
    return read_array_header(lambda start, count: data[start : start + count], len(data), "example")


def header(descr="'<f4'", order="False", shape="(2, 3)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def test_what_numpy_writes():
    rng = random.Random(3)
    for version in ((1, 0), (2, 0), (3, 0)):
        for dtype in ("<f2", "<f4", "<f8", "|b1", "|u1", "|i1", "<i2", "<u4", "<i8"):
            for _ in range(5):
                shape = tuple(rng.randrange(6) for _ in range(rng.randrange(6)))
                array = np.asarray(np.ones(shape, dtype), order=rng.choice("CF"))
                file = io.BytesIO()
                np.lib.format.write_array(file, array, version)
                data = file.getvalue()
                found = read(data)
                assert found.shape == shape
                assert found.dtype[0] == {"f": "F", "b": "B", "u": "U", "i": "I"}[dtype[1]]
                assert len(data) - found.start == array.nbytes
                assert found.transposed == (array.flags.fnc and array.ndim > 1)


TRUE = {
    "no comma at the end": "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
    "no spaces": "{'descr':'<f4','fortran_order':False,'shape':(2,3)}",
    "many spaces": "{  'descr'  :  '<f4'  ,  'fortran_order'  :  False  ,  'shape'  :  ( 2 , 3 )  ,  }      \n",
    "another order": "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}",
    "double quotes": '{"descr": "<f4", "fortran_order": False, "shape": (2, 3), }',
    "long numbers of Python 2": "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
    "a comma after the last length": "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3,), }",
}


@pytest.mark.parametrize("text", TRUE.values(), ids=TRUE)
def test_what_others_may_write(text):
    assert np.lib.format.read_magic(io.BytesIO(npy(text))) == (1, 0)
    assert read(npy(text)) == ArrayHeader("F32", (2, 3), False, 10 + len(text))


LIES = {
    "empty": (b"", "is no array of NumPy; it begins with b''"),
    "nine bytes": (b"\x93NUMPY\1\0\1", "is no array of NumPy"),
    "another magic": (npy(header()).replace(b"NUMPY", b"NUMPI"), r"begins with b'\x93NUMPI\x01\x00'"),
    "version 4": (npy(header(), version=(4, 0)), "is of version 4.0 of the format; 1.0 to 3.0 are read"),
    "version 1.1": (npy(header(), version=(1, 1)), "is of version 1.1"),
    "a header past the end": (npy(header(), length=1000), "says its header is 1000 bytes long, of "),
    "a header of 4 GB": (npy(header(), version=(2, 0), length=2**32 - 1), "says its header is 4294967295 bytes long"),
    "a long header": (npy(header() + " " * 10_000), "bytes long, of "),
    "an empty header": (npy(""), "its header is not descr, fortran_order and shape, but ''"),
    "no dictionary": (npy("('<f4', False, (2, 3))"), "its header is not descr, fortran_order and shape"),
    "a call": (npy(header("__import__('os').system('touch x')")), "its header is not descr"),
    "a call in the shape": (npy(header(shape=f"(setattr(__import__('sys'), '{MARKER}', 1), 3)")), "its header is not"),
    "nested too deeply": (npy(header(shape="(" * 9000)), "its header is not descr"),
    "a sum": (npy(header(shape="(1+1, 3)")), "its header is not descr"),
    "spaces without end": (npy("{'descr': '<f4'" + " " * 9000), "its header is not descr"),
    "not closed": (npy(header().rstrip("}")), "its header is not descr"),
    "more after it": (npy(header() + "; import os"), "its header is not descr"),
    "no shape": (npy("{'descr': '<f4', 'fortran_order': False}"), "its header is not descr"),
    "a key twice": (npy("{'descr': '<f4', 'descr': '<f4', 'shape': (2, 3)}"), "its header is not descr"),
    "a fourth key": (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': ()}"), "its header is not"),
    "another key": (npy("{'descr': '<f4', 'order': False, 'shape': (2, 3)}"), "its header is not descr"),
    "an escape": (npy(header(r"'\x3cf4'")), "its header is not descr"),
    "digits that are not ASCII": (npy(header(shape="(٢, 3)"), version=(3, 0)), "its header is not descr"),
    "a truth for a type": (npy(header("True")), "its descr must be a string and fortran_order True or False"),
    "a text for an order": (npy(header(order="'C'")), "its descr must be a string and fortran_order True or False"),
    "a shape for an order": (npy(header(order="()")), "its descr must be a string and fortran_order True or False"),
    "a text for a shape": (npy(header(shape="'2'")), "its shape must be a tuple of at most 8 numbers, not"),
    "a number in brackets": (npy(header(shape="(6)")), "its shape must be a tuple of at most 8 numbers, not '(6)'"),
    "a comma alone": (npy(header(shape="(,)")), "its shape must be a tuple"),
    "two commas": (npy(header(shape="(2,,3)")), "its shape must be a tuple"),
    "two numbers in one": (npy(header(shape="(2 3, 1)")), "its shape must be a tuple"),
    "a number of 20 digits": (npy(header(shape=f"({10**19}, 1)")), "its shape must be a tuple"),
    "a letter alone": (npy(header(shape="(L, 3)")), "its shape must be a tuple"),
    "nine axes": (npy(header(shape="(" + "1, " * 9 + ")")), "its shape must be a tuple of at most 8"),
    "no type": (npy(header("''")), "is of type ''"),
    "a type of many lines": (npy(header("'<\x1b\n'")), r"is of type '<\x1b\n'; save weights as float32"),
    "records": (npy(header("[('x', '<f4')]")), "holds records and not numbers"),
    "big-endian": (npy(header("'>f4'")), "is big-endian ('>f4')"),
    "objects": (npy(header("'|O8'")), "holds Python objects (a pickle)"),
    "a shape too large": (npy(header(shape="(2, 4)")), "shape [2, 4] of F32 does not fill its 24 bytes"),
    "a shape too small": (npy(header(shape="(2,)")), "shape [2] of F32 does not fill its 24 bytes"),
    "a shape of one number": (npy(header(shape="()")), "shape [] of F32 does not fill its 24 bytes"),
    "a huge shape": (npy(header(shape=f"({'9' * 19}, {'9' * 19})")), "does not fill its 24 bytes"),
}


@pytest.mark.parametrize(("data", "words"), LIES.values(), ids=LIES)
def test_a_lie_is_one_line(data, words):
    with pytest.raises(CheckpointError) as caught:
        read(data)
    message = str(caught.value)
    assert message.startswith("example: ")
    assert words in message
    assert message.isprintable()
    assert len(message) < 400
    assert not hasattr(sys, MARKER)
