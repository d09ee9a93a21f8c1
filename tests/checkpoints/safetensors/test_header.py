"""Every false statement in the header of a safetensors file: one CheckpointError that names file and tensor."""

import json
import tracemalloc

import pytest

from starchart.checkpoints.safetensors.reader import open_safetensors
from starchart.errors import CheckpointError
from tests.checkpoints.raw_file import entry, one_tensor, raw_file, write
from tests.hanging import needs_pipes, no_hang, put_pipe

TRUE = {"a": entry("F32", [2, 3], 0, 24), "b": entry("F16", [2], 24, 28)}


def two(a, b):
    return raw_file({"a": a, "b": b}, bytes(28))


def one(value, data=bytes(24)):
    return raw_file({"a": value}, data)


LIES = {
    # The file
    "empty": (b"", "is empty; fetch it again"),
    "seven bytes": (b"\1\0\0\0\0\0\0", "7 bytes long"),
    "no header": (bytes(8), "does not begin with '{'"),
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 548105171\n",
        "git lfs pull",
    ),
    "a web page": (b"\n<!DOCTYPE html><html><head></head></html>", "web page"),
    "a short web page": (b"<html>", "web page"),
    "text": (b"hello, world, I am no tensor", "the limit is 16000000"),
    # The length of the header
    "length past the end": (raw_file(TRUE, bytes(28), length=10_000), "but the file ends after"),
    "length one past the end": (
        raw_file(b"{}", length=3),
        "says its header is 3 bytes long, but the file ends after 2",
    ),
    "length over the limit": (raw_file(TRUE, bytes(28), length=100_000_001), "the limit is 16000000"),
    "length of 64 bits": (raw_file(TRUE, bytes(28), length=2**64 - 1), "18446744073709551615 bytes"),
    "length cuts the JSON": (raw_file(TRUE, bytes(28), length=40), "cannot be read as JSON"),
    # The JSON
    "begins with a byte-order mark": (raw_file(b'\xef\xbb\xbf{"a": {}}'), "does not begin with '{' but with b'\\xef"),
    "begins with white space that JSON has not": (raw_file(b'\f{"a": {}}'), "does not begin with '{' but with b'\\x0c"),
    "nothing but white space": (raw_file(b" \n\t\r"), "does not begin with '{' but with b''"),
    "a list": (raw_file(b"[]"), "does not begin with '{'"),
    "not JSON": (raw_file(b"{a: 1}"), "cannot be read as JSON"),
    "not UTF-8": (raw_file(b'{"\xc3": 1}'), "not UTF-8"),
    "nested too deeply": (raw_file(b'{"a":' * 100_000), "nested too deeply"),
    "a name twice": (
        raw_file(b"{%s,%s}" % ((b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}',) * 2)),
        "the name 'a' appears twice",
    ),
    "metadata is a list": (raw_file({"__metadata__": ["pt"]}), "__metadata__"),
    "metadata holds a number": (raw_file({"__metadata__": {"step": 7}}), "__metadata__"),
    "metadata holds an object": (raw_file({"__metadata__": {"format": {}}}), "__metadata__"),
    "metadata of half a character": (
        raw_file(b'{"__metadata__":{"a":"\\ud83d"}}'),
        "__metadata__ has half of a character, U+D83D",
    ),
    # One entry
    "entry is null": (one(None), "'a': its entry must be an object"),
    "entry is a list": (one(["F32", [2, 3], [0, 24]]), "'a': its entry must be an object"),
    "no dtype": (one({"shape": [2, 3], "data_offsets": [0, 24]}), "'a': must have dtype, shape and data_offsets"),
    "no shape": (one({"dtype": "F32", "data_offsets": [0, 24]}), "'a': must have dtype"),
    "no offsets": (one({"dtype": "F32", "shape": [2, 3]}), "'a': must have dtype"),
    "an extra field": (one({**TRUE["a"], "stride": [1]}), "'stride'"),
    "dtype unknown": (one(entry("F33", [2, 3], 0, 24)), "'a': its dtype 'F33' is not one of"),
    "dtype of another format": (one(entry("C128", [1], 0, 16), bytes(16)), "'a': its dtype 'C128' is not one of"),
    "dtype in lower case": (one(entry("f32", [2, 3], 0, 24)), "'a': its dtype 'f32'"),
    "dtype a number": (one(entry(32, [2, 3], 0, 24)), "'a': its dtype 32"),
    "dtype a list": (one(entry(["F32"], [2, 3], 0, 24)), "'a': its dtype ['F32']"),
    "shape a number": (one(entry("F32", 6, 0, 24)), "'a': its shape"),
    "shape of floats": (one(entry("F32", [2.0, 3], 0, 24)), "'a': its shape"),
    "shape of truths": (one(entry("F32", [True, 6], 0, 24)), "'a': its shape"),
    "shape negative": (one(entry("F32", [-2, -3], 0, 24)), "'a': its shape"),
    "shape of texts": (one(entry("F32", ["6"], 0, 24)), "'a': its shape"),
    "shape null": (one(entry("F32", None, 0, 24)), "'a': its shape"),
    "offsets negative": (one(entry("F32", [2, 3], -24, 0)), "'a': its data_offsets must be"),
    "an offset of -0": (one({**TRUE["a"], "data_offsets": [-0.0, 24]}), "'a': its data_offsets must be"),
    "an offset of -0, without a point": (
        raw_file(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[-0,0]}}'),
        "'a': its data_offsets must be",
    ),
    "offsets of floats": (one(entry("F32", [2, 3], 0.0, 24.0)), "'a': its data_offsets must be"),
    "offsets of truths": (one(entry("U8", [1], False, True), b"1"), "'a': its data_offsets must be"),
    "three offsets": (one({**TRUE["a"], "data_offsets": [0, 12, 24]}), "'a': its data_offsets must be"),
    "offsets an object": (one({**TRUE["a"], "data_offsets": {"0": 24}}), "'a': its data_offsets must be"),
    "offsets reversed": (one(entry("F32", [2, 3], 24, 0)), "'a': its data_offsets are reversed"),
    "end past the file": (one(entry("F32", [2, 4], 0, 32)), "'a': its data_offsets [0, 32] end at byte "),
    "start past the file": (one(entry("F32", [6], 2**64, 2**64 + 24)), "'a': its data_offsets"),
    "shape too small": (one(entry("F32", [5], 0, 24)), "'a': shape [5] of F32 does not fill the 24 bytes"),
    "shape too large": (one(entry("F32", [7], 0, 24)), "'a': shape [7] of F32"),
    "dtype too wide": (one(entry("F64", [6], 0, 24)), "'a': shape [6] of F64"),
    "dtype too narrow": (one(entry("BF16", [6], 0, 24)), "'a': shape [6] of BF16"),
    "shape with a zero": (one(entry("F32", [6, 0], 0, 24)), "'a': shape [6, 0] of F32"),
    "shape without axes": (one(entry("F32", [], 0, 24)), "'a': shape [] of F32"),
    # 2^64 + 6 numbers: a product kept in 64 bits would come out as 6.
    "shape wraps around 64 bits": (
        one(entry("F32", [2**63 + 3, 2], 0, 24)),
        "'a': its shape must be a list of at most 8 whole numbers below 2^63, not [9223372036854775811, 2]",
    ),
    "shape without end": (one(entry("F32", [10**4000] * 1000, 0, 24)), "'a': its shape"),
    "nothing, by lengths without end": (one(entry("F32", [0, *[10**4000] * 7], 0, 0), b""), "'a': its shape"),
    "nine axes": (one(entry("F32", [1] * 9, 0, 4), bytes(4)), "'a': its shape must be a list of at most 8"),
    "too many tensors": (
        raw_file({str(n): entry("F32", [0], 0, 0) for n in range(10_001)}),
        "has 10001 tensors; no GPT-2 has more than 10000",
    ),
    "half a byte": (one(entry("F4", [3], 0, 2), b"12"), "'a': shape [3] of F4"),
    # Entries beside each other
    "overlap by a byte": (two(TRUE["a"], entry("U8", [5], 23, 28)), "tensor 'b' overlaps tensor 'a'"),
    "same bytes": (two(entry("U8", [28], 0, 28), entry("U8", [28], 0, 28)), "tensor 'b' overlaps tensor 'a'"),
    "one inside another": (two(entry("U8", [28], 0, 28), entry("U8", [2], 3, 5)), "tensor 'b' overlaps tensor 'a'"),
    "a hole between": (two(TRUE["a"], entry("U8", [3], 25, 28)), "1 bytes between tensor 'a' and tensor 'b'"),
    "a hole in front": (one(entry("F32", [5], 4, 24)), "4 bytes between the header and tensor 'a'"),
    "bytes left over": (raw_file(TRUE, bytes(29)), "1 bytes after tensor 'b' belong to no tensor"),
    "bytes and no tensors": (raw_file({}, b"x"), "1 bytes after the header belong to no tensor"),
    "data cut off": (raw_file(TRUE, bytes(27)), "'b': its data_offsets [24, 28] end at byte "),
    # Names that would break a message
    "a name of many lines": (raw_file({"a\nb\x1b[2J": None}), r"'a\nb\x1b[2J'"),
    "half a surrogate": (
        raw_file(b'{"\\ud800": null}'),
        r"'\ud800' has half of a character, U+D800, which is not text",
    ),
    "a name of a megabyte": (raw_file({"x" * 10**6: None}), "'xxxx"),
}


@pytest.mark.parametrize(("data", "words"), LIES.values(), ids=LIES)
def test_a_lie_is_one_line_that_names_the_file(data, words, tmp_path):
    path = write(tmp_path, data)
    with pytest.raises(CheckpointError) as caught:
        open_safetensors(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert message.isprintable()
    assert len(message) < 500 + len(str(path))


def test_entries_of_a_true_file(tmp_path):
    header = json.dumps({"__metadata__": {"format": "pt"}, **TRUE}).encode() + b"   \n"
    first = 8 + len(header)
    tensors = open_safetensors(write(tmp_path, raw_file(header, bytes(28))))
    assert {name: (tensor.name, tensor.dtype, tensor.shape, tensor.start) for name, tensor in tensors.items()} == {
        "a": ("a", "F32", (2, 3), first),
        "b": ("b", "F16", (2,), first + 24),
    }


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [("BOOL", [3], 3), ("I64", [2, 1], 16), ("C64", [1], 8), ("F4", [3, 2], 3), ("F6_E2M3", [4], 3), ("U8", [0, 5], 0)],
)
def test_dtypes_that_are_no_weights_may_be_in_a_file(dtype, shape, size, tmp_path):
    tensors = open_safetensors(write(tmp_path, one_tensor(dtype, shape, bytes(size))))
    assert tensors["a"].dtype == dtype


def test_order_in_the_header_need_not_be_order_in_the_file(tmp_path):
    header = {"b": TRUE["b"], "none": entry("F32", [0], 24, 24), "a": TRUE["a"]}
    assert list(open_safetensors(write(tmp_path, raw_file(header, bytes(28))))) == ["b", "none", "a"]


def test_no_tensors_at_all(tmp_path):
    assert open_safetensors(write(tmp_path, raw_file({}))) == {}


def test_a_missing_file_and_a_folder(tmp_path):
    for path, words in ((tmp_path / "none.safetensors", "there is no such file"), (tmp_path, "it is a folder")):
        with pytest.raises(CheckpointError, match=words):
            open_safetensors(path)


@needs_pipes
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    with no_hang(), pytest.raises(CheckpointError, match="it is a pipe, not a regular file"):
        open_safetensors(put_pipe(tmp_path / "pipe"))


@pytest.mark.parametrize("length", [90_000_000, 100_000_001, 2**40, 2**64 - 1])
def test_a_lying_length_allocates_nothing(length, tmp_path):
    path = write(tmp_path, raw_file(TRUE, bytes(28), length=length))
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            open_safetensors(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000  # the file is 150 bytes long, the smallest false size 90 MB


def test_where_a_file_is_cut_off_is_counted_from_its_beginning(tmp_path):
    data = raw_file(TRUE, bytes(28))
    path = tmp_path / "model.safetensors"
    path.write_bytes(data[:-1])
    with pytest.raises(CheckpointError) as caught:
        open_safetensors(path)
    assert f"end at byte {len(data)} of a file that has {len(data) - 1}; fetch it again" in str(caught.value)
