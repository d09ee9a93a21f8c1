"""Untrusted JSON: one error, on one line, with the file's name."""

import pytest

from starchart.errors import CheckpointError
from starchart.files import json_file
from starchart.files.json_file import parse_json_object, read_json_file, shown

LIES = {
    "empty": (b"", "Expecting value"),
    "not JSON": (b"{n_layer: 12}", "line 1 column 2"),
    "cut off": (b'{"n_layer": 1', "cannot be read as JSON"),
    "two objects": (b"{}{}", "Extra data"),
    "not UTF-8": (b'{"a": "\xff"}', "not UTF-8 text: byte 7 is 0xff"),
    "UTF-16": ("{}".encode("utf-16"), "not UTF-8 text"),
    "byte order mark": (b"\xef\xbb\xbf{}", "BOM"),
    "a list": (b"[1]", "not a JSON object but [1]"),
    "a number": (b"7", "not a JSON object but 7"),
    "a name twice": (b'{"a": 1, "b": 2, "a": 1}', "the name 'a' appears twice"),
    "a name twice further in": (b'{"a": {"b": 1, "b": 2}}', "the name 'b' appears twice"),
    "NaN": (b'{"a": NaN}', "NaN is not a JSON number"),
    "infinity": (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
    "deep lists": (b'{"a": ' + b"[" * 200_000, "nested too deeply"),
    "deep objects": (b'{"a": ' * 200_000, "nested too deeply"),
    "a number of 5000 digits": (b'{"a": ' + b"9" * 5000 + b"}", "cannot be read as JSON"),
}


@pytest.mark.parametrize(("data", "words"), LIES.values(), ids=LIES)
def test_refused(data, words):
    with pytest.raises(CheckpointError) as caught:
        parse_json_object(data, "config.json", CheckpointError)
    assert str(caught.value).startswith("config.json: ")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_values_of_every_kind():
    text = '{"a": [1, -2.5e3, true, null], "é\\u00e9": {"": "x"}}'
    assert parse_json_object(text.encode(), "x", CheckpointError) == {"a": [1, -2500.0, True, None], "éé": {"": "x"}}


def test_a_file_over_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_file, "MAX_JSON_BYTES", 20)
    path = tmp_path / "config.json"
    path.write_bytes(b'{"a": 1}' + b" " * 12)
    assert read_json_file(path, CheckpointError) == {"a": 1}
    path.write_bytes(b'{"a": 1}' + b" " * 13)
    with pytest.raises(CheckpointError, match="longer than 20 bytes"):
        read_json_file(path, CheckpointError)


@pytest.mark.parametrize("mark", ["[],", "{},", "0,"])
def test_more_values_than_any_model_has(mark, tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"a": [' + json_file.MAX_JSON_VALUES * mark + "0]}")
    with pytest.raises(CheckpointError, match="brackets, braces and commas; the limit is 600000"):
        read_json_file(path, CheckpointError)


def test_a_missing_file_and_a_folder(tmp_path):
    for path, words in (
        (tmp_path, "it is a folder, not a regular file"),
        (tmp_path / "none.json", "there is no such file"),
        (tmp_path / ("x" * 5000), "File name too long"),
    ):
        with pytest.raises(CheckpointError) as caught:
            read_json_file(path, CheckpointError)
        assert str(caught.value) == f"{path}: cannot be read: {words}"


def test_shown_keeps_strange_text_on_one_short_line():
    assert shown("a\nb\x1b[31m") == r"'a\nb\x1b[31m'"
    assert len(shown("x" * 10**7)) <= 100
    assert len(shown([["x" * 200] * 50] * 50)) == 200
    assert shown(10**5000) == "a number of thousands of digits"
