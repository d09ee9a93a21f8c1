"""Tensors read from a file: vectors and rows, refusals by name, and nothing left open."""

import errno
import os
import struct
from array import array
from dataclasses import replace
from math import inf, nan

import pytest

from starchart.checkpoints.safetensors import open_safetensors, read_rows, read_vector
from starchart.errors import CheckpointError
from tests.checkpoints.raw_file import entry, one_tensor, raw_file, write


def test_rows_and_vectors(tmp_path):
    data = struct.pack("<6f2d", 1, 2, 3, 4, 5, 6, 0.1, -0.2)
    header = {"m": entry("F32", [2, 3], 0, 24), "v": entry("F64", [2], 24, 40)}
    with open_safetensors(write(tmp_path, raw_file(header, data))) as tensors:
        rows, vector = read_rows(tensors["m"]), read_vector(tensors["v"])
    assert [list(row) for row in rows] == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert list(vector) == [0.1, -0.2]


@pytest.mark.parametrize("shape", [[1, 6], [6, 1], [0, 6], [6, 0]])
def test_narrow_and_empty_matrices(shape, tmp_path):
    count = shape[0] * shape[1]
    with open_safetensors(
        write(tmp_path, one_tensor("F32", shape, struct.pack(f"<{count}f", *range(count))))
    ) as tensors:
        rows = read_rows(tensors["a"])
    assert [len(row) for row in rows] == [shape[1]] * shape[0]
    assert [number for row in rows for number in row] == list(range(count))


# About 2**15 numbers are read at once: 32 rows of 1001, one of 20011, and one that is longer than that.
@pytest.mark.parametrize("shape", [[103, 1001], [3, 20011], [2, 40009]])
def test_a_matrix_that_is_read_in_parts(shape, tmp_path):
    count = shape[0] * shape[1]
    numbers = array("f", [number % 4093 - 2000.5 for number in range(count)])
    path = write(tmp_path, one_tensor("F32", shape, struct.pack(f"<{count}f", *numbers)))
    with open_safetensors(path) as tensors:
        rows = read_rows(tensors["a"])
    assert [len(row) for row in rows] == [shape[1]] * shape[0]
    assert [number for row in rows for number in row] == numbers.tolist()


def test_the_place_of_what_is_not_finite_counts_from_the_first_part(tmp_path):
    data = bytearray(4 * 103 * 1001)
    struct.pack_into("<f", data, 4 * (99 * 1001 + 7), nan)
    path = write(tmp_path, one_tensor("F32", [103, 1001], bytes(data)))
    with open_safetensors(path) as tensors, pytest.raises(CheckpointError, match=r"holds nan at \[99\]\[7\]"):
        read_rows(tensors["a"])


def test_a_file_that_becomes_shorter_while_it_is_open(tmp_path):
    path = write(tmp_path, one_tensor("F32", [100, 1000], bytes(400_000)))
    with open_safetensors(path) as tensors:
        os.truncate(path, 200_000)
        with pytest.raises(CheckpointError) as caught:
            read_rows(tensors["a"])
    assert str(caught.value) == (f"{path}: tensor 'a': the file has become shorter since it was opened; fetch it again")


def test_an_error_of_the_disk_names_the_file(tmp_path):
    path = write(tmp_path, one_tensor("F32", [1], bytes(4)))

    def fail(self, *arguments):
        raise OSError(errno.EIO, "Input/output error")

    with open_safetensors(path) as tensors:
        broken = replace(tensors["a"], file=type("Broken", (), {"seek": fail})())
        with pytest.raises(CheckpointError, match=r"model\.safetensors: cannot be read: Input/output error"):
            read_vector(broken)


def test_an_error_of_the_reader_stays_what_it_is(tmp_path):
    path = write(tmp_path, one_tensor("F32", [1], bytes(4)))
    with pytest.raises(FileNotFoundError), open_safetensors(path):
        (tmp_path / "nothing").read_bytes()


def test_what_was_read_outlives_the_file(tmp_path):
    path = write(tmp_path, one_tensor("F32", [2], struct.pack("<2f", 1.5, 2.5)))
    with open_safetensors(path) as tensors:
        vector = read_vector(tensors["a"])
    assert tensors["a"].file.closed
    path.write_bytes(b"")
    assert list(vector) == [1.5, 2.5]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the list of open files is a Linux thing")
def test_no_file_stays_open_after_an_error(tmp_path):
    good = write(tmp_path, one_tensor("F32", [1], struct.pack("<f", nan)))
    bad = write(tmp_path, raw_file({}, b"x"), "bad.safetensors")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(CheckpointError), open_safetensors(good) as tensors:
        read_vector(tensors["a"])
    with pytest.raises(CheckpointError), open_safetensors(bad):
        pass
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("dtype", ["I64", "U64", "C64"])
def test_a_dtype_that_is_no_weight_is_refused_by_name(dtype, tmp_path):
    path = write(tmp_path, one_tensor(dtype, [2, 1], bytes(16), "wte.weight"))
    with open_safetensors(path) as tensors, pytest.raises(CheckpointError) as caught:
        read_rows(tensors["wte.weight"])
    assert str(caught.value) == (
        f"{path}: tensor 'wte.weight': is of dtype {dtype}; weights must be F32, F16, BF16 or F64"
    )


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize(("shape", "read", "place"), [([2, 3], read_rows, "[1][1]"), ([6], read_vector, "[4]")])
def test_what_is_not_finite_is_refused_with_its_place(value, shape, read, place, tmp_path):
    numbers = [0.0] * 6
    numbers[4] = value
    path = write(tmp_path, one_tensor("F64", shape, struct.pack("<6d", *numbers), "h.0.ln_1.weight"))
    with open_safetensors(path) as tensors, pytest.raises(CheckpointError) as caught:
        read(tensors["h.0.ln_1.weight"])
    assert str(caught.value) == (
        f"{path}: tensor 'h.0.ln_1.weight': holds {value} at {place}; weights must be finite numbers"
    )
