"""Where documents begin and end, and files without text."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starchart.errors import TextError
from starport.scoring.documents import read_documents, split_documents
from tests.hanging import needs_pipes, no_hang, put_pipe

END = "<|endoftext|>"


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("", []),
        (" \n\r\n\t", []),
        ("One.", ["One."]),
        (f"{END}", []),
        (f"{END}\n{END}\n", []),
        (f"One.\n{END}\nTwo.", ["One.", "Two."]),
        (f"\n One.\n\n{END}\n\n\n{END}\n  Two.\n \n", ["One.", "Two."]),
        (f"{END}\nOne.\n{END}", ["One."]),
        (f"One.\r\nOn.\r\n{END}\r\nTwo.\r\n", ["One.\r\nOn.", "Two."]),
        (f"One.\r\n{END}\r\n{END}\r", ["One."]),
        (f"One.\n{END} \nTwo.", [f"One.\n{END} \nTwo."]),
        (f"One.\n {END}\nTwo.", [f"One.\n {END}\nTwo."]),
        (f"One.\n{END}\r\r\nTwo.", [f"One.\n{END}\r\r\nTwo."]),
        (f"One. {END}\nTwo.", [f"One. {END}\nTwo."]),
        (f"One.\n{END}{END}\nTwo.", [f"One.\n{END}{END}\nTwo."]),
        (f"One.\n{END.upper()}\nTwo.", [f"One.\n{END.upper()}\nTwo."]),
        (f"One.\u2028{END}\u2028Two.", [f"One.\u2028{END}\u2028Two."]),
        (f"One.\v{END}\vTwo.", [f"One.\v{END}\vTwo."]),
        (f"One.\r{END}\rTwo.", [f"One.\r{END}\rTwo."]),
    ],
    ids=ascii,
)
def test_split(text, documents):
    assert split_documents(text) == documents


@given(st.lists(st.text().map(str.strip).filter(bool), max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_documents_come_back(documents, end):
    assert split_documents(f"{end}{END}{end}".join(documents)) == documents


def test_a_file_ends_its_last_document(tmp_path):
    files = [tmp_path / "a", tmp_path / "b"]
    files[0].write_bytes(f"One\n{END}\nTw".encode())
    files[1].write_bytes("o\u00e9\r\nx".encode())
    assert read_documents(files) == ["One", "Tw", "o\u00e9\r\nx"]
    assert read_documents(map(str, reversed(files))) == ["o\u00e9\r\nx", "One", "Tw"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "contains no text"),
        (b" \n<|endoftext|>\n\n", "contains no text"),
        (b"caf\xe9", "line 1 is not UTF-8: byte 3 is 0xe9"),
        (b"one\r\ntwo\n\xff\n", "line 3 is not UTF-8: byte 9 is 0xff"),
        (b"one\ntw\xc3", "line 2 is not UTF-8: byte 6 is 0xc3"),
        (b"\xed\xa0\x80", "line 1 is not UTF-8"),
        ("one".encode("utf-16"), "is UTF-16 text; convert it to UTF-8"),
        (None, "there is no such file"),
        ("folder", "not a regular file"),
    ],
    ids=repr,
)
def test_refused(tmp_path, content, words):
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("good")
    if isinstance(content, bytes):
        bad.write_bytes(content)
    elif content:
        bad.mkdir()
    with pytest.raises(TextError) as error:
        read_documents([good, bad])
    assert words in str(error.value)
    assert str(error.value).startswith(f"{bad}: ")


@needs_pipes
def test_a_pipe_does_not_hang(tmp_path):
    put_pipe(tmp_path / "pipe")
    for or_pipes, words in (
        (True, "is a pipe, and no program has written to it"),
        (False, "it is a pipe, not a regular file"),
    ):
        with no_hang(), pytest.raises(TextError, match=words):
            read_documents([tmp_path / "pipe"], or_pipes)


@needs_pipes
def test_a_pipe_is_read(tmp_path):
    reader, writer = os.pipe()
    os.write(writer, b"One.\n<|endoftext|>\nTwo.")
    os.close(writer)
    with no_hang():
        assert read_documents([f"/dev/fd/{reader}"]) == ["One.", "Two."]
    os.close(reader)


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    # By a stand-in: as root, whom the tests may run as, one reads everything.
    def refuse(file, flags):
        raise PermissionError(13, "Permission denied", file)

    (tmp_path / "a").write_text("one")
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(TextError, match="a: cannot be read: Permission denied"):
        read_documents([tmp_path / "a"])
