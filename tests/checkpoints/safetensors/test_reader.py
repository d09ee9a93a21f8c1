"""Tensors read from a file: vectors, rows and parts of them, refusals by name, and nothing left open."""

import errno
import os
import pickle
import struct
from array import array
from dataclasses import replace
from math import inf, nan

import pytest

from starchart.checkpoints.numbers.number_types import NUMBER_TYPES
from starchart.checkpoints.safetensors.reader import open_safetensors
from starchart.checkpoints.stored_tensor import read_rows, read_vector, rows_of
from starchart.errors import CheckpointError
from tests.checkpoints.raw_file import entry, one_tensor, raw_file, write


def stored(folder, dtype, shape, data, name="a"):
    """Return the one tensor of a file that is written for it."""
    return open_safetensors(write(folder, one_tensor(dtype, shape, data, name)))[name]


def message_of(read, *arguments):
    with pytest.raises(CheckpointError) as caught:
        read(*arguments)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_rows_and_vectors(tmp_path):
    data = struct.pack("<6f2d", 1, 2, 3, 4, 5, 6, 0.1, -0.2)
    header = {"m": entry("F32", [2, 3], 0, 24), "v": entry("F64", [2], 24, 40)}
    tensors = open_safetensors(write(tmp_path, raw_file(header, data)))
    assert [list(row) for row in read_rows(tensors["m"])] == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert list(read_vector(tensors["v"])) == [0.1, -0.2]


@pytest.mark.parametrize("shape", [[1, 6], [6, 1], [0, 6], [6, 0]])
def test_narrow_and_empty_matrices(shape, tmp_path):
    count = shape[0] * shape[1]
    rows = read_rows(stored(tmp_path, "F32", shape, struct.pack(f"<{count}f", *range(count))))
    assert [len(row) for row in rows] == [shape[1]] * shape[0]
    assert [number for row in rows for number in row] == list(range(count))


# About 2**15 numbers are read at once: 32 rows of 1001, one of 20011, and one that is longer than that.
@pytest.mark.parametrize("shape", [[103, 1001], [3, 20011], [2, 40009]])
def test_a_matrix_that_is_read_in_parts(shape, tmp_path):
    count = shape[0] * shape[1]
    numbers = array("f", [number % 4093 - 2000.5 for number in range(count)])
    rows = read_rows(stored(tmp_path, "F32", shape, struct.pack(f"<{count}f", *numbers)))
    assert [len(row) for row in rows] == [shape[1]] * shape[0]
    assert [number for row in rows for number in row] == numbers.tolist()


# 32 rows are read at once: parts that begin and end on that border, beside it, and far from it.
@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 32), (31, 33), (32, 64), (5, 102), (102, 103), (40, 40)])
@pytest.mark.parametrize("dtype", ["F32", "F64"])
def test_some_rows(dtype, start, stop, tmp_path):
    numbers = [number % 4093 - 2000.5 for number in range(103 * 1001)]
    data = struct.pack(f"<{len(numbers)}{'f' if dtype == 'F32' else 'd'}", *numbers)
    tensor = stored(tmp_path, dtype, [103, 1001], data)
    expected = [numbers[1001 * row : 1001 * (row + 1)] for row in range(103)]
    in_memory = [array("d", row) for row in expected]
    assert [row.tolist() for row in read_rows(tensor, start, stop)] == expected[start:stop]
    for matrix in (tensor, in_memory):
        assert [row.tolist() for row in rows_of(matrix, start, stop)] == expected[start:stop]
        assert [row.tolist() for row in rows_of(matrix, start)] == expected[start:]
        assert [row.tolist() for row in rows_of(matrix)] == expected


def test_a_tensor_is_the_same_after_pickling(tmp_path):
    data = struct.pack("<6d", 0.1, -0.2, 3.0, 4.0, 5.0, 1e-300)
    tensor = stored(tmp_path, "F64", [3, 2], data)
    copy = pickle.loads(pickle.dumps(tensor))
    assert copy == tensor
    assert str(copy) == f"{tmp_path / 'model.safetensors'}: tensor 'a'"
    assert [list(row) for row in read_rows(copy)] == [[0.1, -0.2], [3.0, 4.0], [5.0, 1e-300]]


def test_a_tensor_is_read_when_it_is_asked_for_and_not_before(tmp_path):
    tensor = stored(tmp_path, "F32", [2, 1], struct.pack("<2f", 1.5, 2.5))
    tensor = replace(tensor, stamp=stored(tmp_path, "F32", [2, 1], struct.pack("<2f", -3.5, nan)).stamp)
    assert read_rows(tensor, 0, 1)[0].tolist() == [-3.5]


def test_another_file_in_its_place_is_noticed(tmp_path):
    tensor = stored(tmp_path, "F32", [2, 1], struct.pack("<2f", 1.5, 2.5))
    write(tmp_path, one_tensor("F32", [2, 1], struct.pack("<2f", 1.5, 2.5)))
    os.utime(tensor.path, ns=(tensor.stamp[1], tensor.stamp[1]))  # as `cp -p` would
    assert message_of(read_rows, tensor) == f"{tensor.path}: has changed since it was opened; open the model again"


def test_the_place_of_what_is_not_finite_counts_from_the_first_row_of_all(tmp_path):
    data = bytearray(4 * 103 * 1001)
    struct.pack_into("<f", data, 4 * (99 * 1001 + 7), nan)
    tensor = stored(tmp_path, "F32", [103, 1001], bytes(data))
    assert "holds nan at [99][7]" in message_of(read_rows, tensor)
    assert "holds nan at [99][7]" in message_of(rows_of, tensor, 98, 101)
    assert len(read_rows(tensor, 100)) == 3


def test_a_file_that_becomes_shorter_after_it_was_opened(tmp_path):
    tensor = stored(tmp_path, "F32", [100, 1000], bytes(400_000))
    os.truncate(tensor.path, 200_000)
    assert message_of(read_rows, tensor) == f"{tensor.path}: has changed since it was opened; open the model again"


def test_a_file_that_becomes_shorter_while_it_is_read(tmp_path):
    tensor = stored(tmp_path, "F32", [100, 1000], bytes(400_000))
    os.truncate(tensor.path, 200_000)
    status = tensor.path.stat()
    tensor = replace(tensor, stamp=(200_000, status.st_mtime_ns, status.st_ctime_ns))
    assert message_of(read_rows, tensor) == (
        f"{tensor.path}: tensor 'a': the file has become shorter since it was opened; fetch it again"
    )
    assert len(read_rows(tensor, 0, 49)) == 49  # what is there can be read: all but the header's bytes


@pytest.mark.parametrize(("shape", "read"), [([2, 1], read_rows), ([2], read_vector)])
def test_a_file_that_goes_away_after_it_was_opened(shape, read, tmp_path):
    tensor = stored(tmp_path, "F32", shape, bytes(8))
    tensor.path.unlink()
    assert message_of(read, tensor) == f"{tensor.path}: cannot be read: there is no such file"


class BrokenDisk:
    """A file that opens and cannot be read."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def fileno(self):
        raise OSError(errno.EIO, "Input/output error")


def test_an_error_of_the_disk_names_the_file(tmp_path, monkeypatch):
    tensor = stored(tmp_path, "F32", [1], bytes(4))
    monkeypatch.setattr("starchart.checkpoints.stored_tensor.open_regular_file", lambda path: BrokenDisk())
    assert message_of(read_vector, tensor) == f"{tensor.path}: cannot be read: Input/output error"


def test_what_was_read_outlives_the_file(tmp_path):
    tensor = stored(tmp_path, "F32", [2], struct.pack("<2f", 1.5, 2.5))
    vector = read_vector(tensor)
    tensor.path.write_bytes(b"")
    assert list(vector) == [1.5, 2.5]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the list of open files is a Linux thing")
def test_no_file_stays_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    bad = write(tmp_path, raw_file({}, b"x"), "bad.safetensors")
    message_of(open_safetensors, bad)
    assert len(os.listdir("/proc/self/fd")) == before
    tensor = stored(tmp_path, "F32", [3], struct.pack("<3f", 1, 2, 3))
    assert len(os.listdir("/proc/self/fd")) == before
    read_vector(tensor)
    assert len(os.listdir("/proc/self/fd")) == before
    message_of(read_vector, stored(tmp_path, "F32", [1], struct.pack("<f", nan)))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("dtype", ["I64", "U64", "C64"])
def test_a_dtype_that_is_no_weight_is_refused_by_name(dtype, tmp_path):
    tensor = stored(tmp_path, dtype, [2, 1], bytes(16), "wte.weight")
    assert message_of(read_rows, tensor) == (
        f"{tensor.path}: tensor 'wte.weight': is of dtype {dtype}; weights must be of one of these: "
        + ", ".join(NUMBER_TYPES)
        + "; convert it to one of them"
    )


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize(("shape", "read", "place"), [([2, 3], read_rows, "[1][1]"), ([6], read_vector, "[4]")])
def test_what_is_not_finite_is_refused_with_its_place(value, shape, read, place, tmp_path):
    numbers = [0.0] * 6
    numbers[4] = value
    tensor = stored(tmp_path, "F64", shape, struct.pack("<6d", *numbers), "h.0.ln_1.weight")
    assert message_of(read, tensor) == (
        f"{tensor.path}: tensor 'h.0.ln_1.weight': holds {value} at {place}; weights must be finite numbers"
    )
