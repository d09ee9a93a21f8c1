"""Headers, compared with the safetensors library: both refuse the same ones, and read the same ones.

The exceptions are in `STRICTER`, and on the page of the format.
"""

import json
import random

import pytest

from starchart.checkpoints.formats import SAFETENSORS
from starchart.checkpoints.model_files import format_of
from starchart.checkpoints.safetensors.reader import open_safetensors
from starchart.errors import CheckpointError
from tests.checkpoints.raw_file import raw_file, write

safetensors = pytest.importorskip("safetensors")

A = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
PLAIN = "{" + A + "}"
DATA = bytes(range(8))


def changed(old, new):
    assert old in PLAIN
    return PLAIN.replace(old, new)


# The header, and the bytes after it where they are not DATA.
READ = {
    "plain": PLAIN,
    "a space before": " " + PLAIN,
    "a tab before": "\t" + PLAIN,
    "line ends before": "\r\n\n" + PLAIN,
    "5000 spaces before": " " * 5000 + PLAIN,
    "white space after": PLAIN + " \t\r\n",
    "white space between": '\n{ "a" :\t{ "dtype" : "F32" , "shape" : [ 2 ] , "data_offsets" : [ 0 ,\r8 ] } }',
    "another order of the fields": '{"a":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"}}',
    "metadata": '{"__metadata__":{"format":"pt","":""},' + A + "}",
    "metadata at the end": "{" + A + ',"__metadata__":{}}',
    "metadata that are null": '{"__metadata__":null,' + A + "}",
    "escapes": changed('"a"', r'"\u0061\/\n"'),
    "two surrogates that are one character": changed('"a"', r'"\ud83d\ude00"'),
    "a name that is empty": changed('"a"', '""'),
    "a name with a NUL": changed('"a"', r'"a\u0000"'),
    "a name that is not ASCII": changed('"a"', '"ä\u2028\x7f🌟"'),
    "no axes": '{"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}',
    "eight axes": changed("[2]", "[1,1,1,1,1,1,1,2]"),
    "no numbers": ('{"a":{"dtype":"F64","shape":[3,0],"data_offsets":[0,0]}}', b""),
    "no tensors": ("{}", b""),
    "metadata alone": ('{"__metadata__":{"format":"pt"}}', b""),
    "complex numbers": '{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}',
    "numbers of 4 bits": '{"a":{"dtype":"F4","shape":[16],"data_offsets":[0,8]}}',
}
REFUSED = {
    "a byte-order mark": "\ufeff" + PLAIN,
    "a form feed before": "\f" + PLAIN,
    "a vertical tab before": "\v" + PLAIN,
    "a space that does not break before": "\u00a0" + PLAIN,
    "a NUL before": "\0" + PLAIN,
    "a NUL after": PLAIN + "\0",
    "a form feed after": PLAIN + "\f",
    "two objects": PLAIN + PLAIN,
    "a list": ("[]", b""),
    "null": ("null", b""),
    "nothing": ("", b""),
    "white space alone": ("  \n", b""),
    "a comma at the end": "{" + A + ",}",
    "a comment": "/**/" + PLAIN,
    "single quotes": PLAIN.replace('"', "'"),
    "a line end in a name": changed('"a"', '"a\nb"'),
    "half a character": changed('"a"', r'"\ud800"'),
    "half a character in metadata": r'{"__metadata__":{"\udc00":""},' + A + "}",
    "an unknown escape": changed('"a"', r'"\x61"'),
    "a length that is a float": changed("[2]", "[2.0]"),
    "a length with an exponent": changed("[2]", "[2e0]"),
    "a length with a plus": changed("[2]", "[+2]"),
    "a length with a zero before it": changed("[2]", "[02]"),
    "a length that is a text": changed("[2]", '["2"]'),
    "a length that is true": changed("[2]", "[true,2]"),
    "an offset of -0": changed("[0,8]", "[-0,8]"),
    "an offset of 2^64 + 8": changed("[0,8]", "[0,18446744073709551624]"),
    "NaN": '{"__metadata__":NaN,' + A + "}",
    "metadata that are no text": '{"__metadata__":{"step":1},' + A + "}",
    "metadata nested": '{"__metadata__":{"a":{}},' + A + "}",
    "metadata twice": '{"__metadata__":{},"__metadata__":{},' + A + "}",
    "a field twice": changed('"dtype":"F32"', '"dtype":"F32","dtype":"F32"'),
    "no dtype": changed('"dtype":"F32",', ""),
    "an unknown dtype": changed("F32", "F33"),
    "a dtype in lower case": changed("F32", "f32"),
    "bytes over": (PLAIN, bytes(9)),
    "bytes missing": (PLAIN, bytes(7)),
    "a hole": (changed("[0,8]", "[8,16]"), bytes(16)),
    "an overlap": "{" + A + "," + A.replace('"a"', '"b"') + "}",
    "reversed": changed("[0,8]", "[8,0]"),
    "not the size of the shape": changed("[2]", "[3]"),
}
STRICTER = {
    "a name twice": "{" + A + "," + A + "}",
    "a name twice in the metadata": '{"__metadata__":{"a":"1","a":"2"},' + A + "}",
    "a field of no format": changed('"dtype"', '"stride":[1],"dtype"'),
    "an entry that is a list": '{"a":["F32",[2],[0,8]]}',
    "nine axes": changed("[2]", "[1,1,1,1,1,1,1,1,2]"),
    "more tensors than a model has": (
        json.dumps({str(n): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for n in range(10_001)}),
        b"",
    ),
}


def contents(case):
    header, data = (case, DATA) if isinstance(case, str) else case
    return raw_file(header.encode(), data)


def library_reads(data):
    try:
        safetensors.deserialize(data)
    except safetensors.SafetensorError:
        return False
    return True


def we_read(path):
    try:
        open_safetensors(path)
    except CheckpointError:
        return False
    return True


@pytest.mark.parametrize(
    ("cases", "theirs", "ours"),
    [(READ, True, True), (REFUSED, False, False), (STRICTER, True, False)],
    ids=["read", "refused", "stricter"],
)
def test_the_library_and_we(cases, theirs, ours, tmp_path):
    for name, case in cases.items():
        data = contents(case)
        found = (library_reads(data), we_read(write(tmp_path, data)))
        assert found == (theirs, ours), name


@pytest.mark.parametrize("case", READ.values(), ids=READ)
def test_what_the_library_reads_is_known_as_safetensors_and_says_the_same(case, tmp_path):
    data = contents(case)
    path = write(tmp_path, data, "model.bin")  # a name that tells nothing
    assert format_of(path) == SAFETENSORS
    theirs = dict(safetensors.deserialize(data))
    ours = open_safetensors(path)
    assert {name: (list(tensor.shape), tensor.dtype) for name, tensor in ours.items()} == {
        name: (tensor["shape"], tensor["dtype"]) for name, tensor in theirs.items()
    }
    for name, tensor in theirs.items():
        start = ours[name].start
        assert data[start : start + len(tensor["data"])] == bytes(tensor["data"])


def test_what_the_library_refuses_at_random_is_refused(tmp_path):
    rng = random.Random("headers")
    cases = [case if isinstance(case, tuple) else (case, DATA) for name, case in READ.items() if "5000" not in name]
    pieces = [*' \t\n\f{}[]":,-+.0289eEnull\\', "\\u", "\\ud83d", "true", "NaN", "\u00a0", '"__metadata__":', A]
    counts = {True: 0, False: 0}
    for _ in range(6000):
        text, numbers = rng.choice(cases)
        header = list(text)
        for _ in range(rng.choice((1, 1, 1, 2))):
            place = rng.randrange(len(header) + 1)
            header[place : place + rng.randrange(2)] = rng.choice(pieces)
        data = contents(("".join(header), numbers))
        theirs = library_reads(data)
        if not theirs:
            assert not we_read(write(tmp_path, data)), "".join(header)
        counts[theirs] += 1
    assert min(counts.values()) > 200
