"""Vocabularies on disk: which files are read; every damaged file is refused in one line that names it."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from starchart.errors import NoVocabularyError, VocabularyError
from starchart.files.json_file import MAX_JSON_BYTES
from starchart.tokenizer.byte_alphabet import ALPHABET
from starchart.tokenizer.tokenizer import Tokenizer
from starchart.tokenizer.vocabulary import MAX_TOKENS, make_vocabulary
from starchart.tokenizer.vocabulary_files import read_vocabulary
from tests.hanging import needs_pipes, no_hang, put_pipe
from tests.tokenizer.small_vocabulary import TALE, small_vocabulary

LONG = "b" * 1_000_000  # file content that a message must not repeat
BIG = LONG.encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ids, merges = small_vocabulary()
    (tmp_path / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges), ""]
    (tmp_path / "merges.txt").write_bytes("\n".join(lines).encode())
    return tmp_path


def expected() -> list[int]:
    return Tokenizer.from_merges(*small_vocabulary()).encode(TALE)


def test_reads_a_folder(folder: Path) -> None:
    tokenizer = Tokenizer.from_pretrained(str(folder))
    assert tokenizer.encode(TALE) == expected()
    assert tokenizer.vocab_size == 400
    assert tokenizer.end_of_text == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda merges: merges.replace(b"\n", b"\r\n"),  # checked out on Windows
        lambda merges: merges.removesuffix(b"\n"),
        lambda merges: merges.removeprefix(b"#version: 0.2\n"),
    ],
)
def test_reads_other_line_ends(folder: Path, change: Callable[[bytes], bytes]) -> None:
    merges = folder / "merges.txt"
    assert change(merges.read_bytes()) != merges.read_bytes()
    merges.write_bytes(change(merges.read_bytes()))
    assert Tokenizer.from_pretrained(folder).encode(TALE) == expected()


def test_reads_added_tokens(folder: Path) -> None:
    (folder / "added_tokens.json").write_text('{"<pad>": 400, "<|endoftext|>": 0}')
    tokenizer = Tokenizer.from_pretrained(folder)
    assert tokenizer.special_tokens == {"<|endoftext|>": 0, "<pad>": 400}
    assert tokenizer.encode("<pad>", allow_special=True) == [400]


def refused(folder: Path) -> str:
    with pytest.raises(VocabularyError) as caught:
        Tokenizer.from_pretrained(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500 + len(str(folder))
    return message


def test_missing_files(folder: Path) -> None:
    (folder / "merges.txt").rename(folder / "merges")
    assert refused(folder) == f"{folder}: no merges.txt; needed are vocab.json and merges.txt, or tokenizer.json"
    (folder / "vocab.json").unlink()
    assert "no vocab.json and no merges.txt" in refused(folder)
    assert "no such folder" in refused(folder / "nowhere")
    assert "no such folder" in refused(folder / ("x" * 5000))
    assert "no such folder" in refused(folder / "a\0b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "vocab.json: cannot be read as JSON: Expecting value: line 1"),
        (b'{"a": 1,\n "b": }', "vocab.json: cannot be read as JSON: Expecting value: line 2"),
        (b'{"\xff": 1}', "vocab.json: is not UTF-8 text: byte 2"),
        (b"[" * 200_000, "vocab.json: its JSON is nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "vocab.json: cannot be read as JSON"),
        (b'["a"]', "vocab.json: is not a JSON object"),
        (b'{"a": 1, "b": 2, "a": 3}', "vocab.json: cannot be read as JSON: the name 'a' appears twice"),
        (b'{"a": "1"}', "vocab.json: the id of 'a' is '1'"),
        (b'{"a": 1.0}', "vocab.json: the id of 'a' is 1.0"),
        (b'{"a": true}', "vocab.json: the id of 'a' is True"),
        (b'{"a": -1}', "vocab.json: the id of 'a' is -1"),
        (b'{"a": {}}', "vocab.json: the id of 'a' is {}"),
        (b'{"a": 2147483648}', "vocab.json: the id of 'a' is 2147483648; it must be an integer from 0 to 2147483647"),
        (b'{"a": ' + b"7" * 4300 + b"}", "vocab.json: the id of 'a' is 777"),  # the longest number that json reads
        (b'{"a": "' + BIG + b'"}', "vocab.json: the id of 'a' is 'bbb"),
        (b'{"' + BIG + b'": -1}', "vocab.json: the id of 'bbb"),
        (b'{"a": 7, "' + BIG + b'": 7}', "vocab.json: 'a' and 'bbb"),
        (b'{"' + BIG + b'": 7, "a": 7}', "vocab.json: 'bbb"),
        (b'{"a": 7, "b\\n": 7}', "vocab.json: 'a' and 'b\\n' both have the id 7"),
        (b'{"a": 1}', "vocab.json: no token for byte 0x00 (255 of 256 missing)"),
        (b'{"a": 1, "": 2}', "vocab.json: there is an empty token"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_bad_vocab_json(folder: Path, content: bytes, message: str) -> None:
    (folder / "vocab.json").write_bytes(content)
    assert refused(folder).startswith(f"{folder / message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ab", "'ab' is not two tokens"),
        ("a b c", "'a b c' is not two tokens"),
        ("a ", "'a ' is not two tokens"),
        ("", "'' is not two tokens"),
        ("a r", "'a' 'r' is there twice"),
        ("zz q", "the merge 'zz' 'q' needs the token 'zz', which is not in the vocabulary"),
        (LONG, "'bbb"),
        (f"{LONG} q", "the merge 'bbb"),
        (f"q {LONG}", "the merge 'q' 'bbb"),
        ("q z", "the merge 'q' 'z' needs the token 'qz', which is not in the vocabulary"),
        ("q \x85", "the merge 'q' '\\x85' needs the token '\\x85', which is not in the vocabulary"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_bad_merges(folder: Path, line: str, message: str) -> None:
    merges = folder / "merges.txt"
    count = merges.read_bytes().count(b"\n")
    merges.write_bytes(merges.read_bytes() + line.encode() + b"\na b\n")
    assert refused(folder).startswith(f"{merges}: line {count + 1}: {message}")


def test_long_tokens_in_merges(folder: Path) -> None:
    runs = ["b" * (1 << n) for n in range(20)]  # each is made of two of the one before
    tokens = dict.fromkeys([*ALPHABET, *runs])
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    merges = [f"{half} {half}\n" for half in runs[:-1]]
    (folder / "merges.txt").write_text("".join(merges))
    assert len(Tokenizer.from_pretrained(folder).encode(runs[-1])) == 1
    (folder / "merges.txt").write_text("".join([*merges, merges[-1]]))
    assert "is there twice" in refused(folder)
    (folder / "merges.txt").write_text(merges[-1])
    assert "no earlier merge makes" in refused(folder)


def test_merges_out_of_order(folder: Path) -> None:
    merges = folder / "merges.txt"
    assert b"\na r\n" in merges.read_bytes()
    assert b"\nt ar\n" in merges.read_bytes()
    merges.write_bytes(b"#version: 0.2\nt ar\na r\n")
    assert "merges.txt: line 2: the merge 't' 'ar' uses a token that no earlier merge makes" in refused(folder)


def test_other_bad_files(folder: Path) -> None:
    added = folder / "added_tokens.json"
    added.write_text('{"s": 500}')
    assert f"{added}: 's' has the id 500 here" in refused(folder)
    added.write_text(f'{{"s": "{LONG}"}}')
    assert f"{added}: 's' has the id 'bbb" in refused(folder)
    vocab = folder / "vocab.json"
    vocab.write_text(json.dumps(json.loads(vocab.read_text(encoding="utf-8")) | {LONG: 400}))
    added.write_text(f'{{"{LONG}": 401}}')
    assert "has the id 401 here and 400 in vocab.json" in refused(folder)
    for token in ("\\ud800", "\\ud800" + LONG):
        added.write_text(f'{{"{token}": 500}}')
        assert "is not written in GPT-2's byte alphabet" in refused(folder)
    added.unlink()
    (folder / "merges.txt").write_bytes(b"\xff\n")
    assert "merges.txt: not UTF-8 text (byte 0)" in refused(folder)


def test_more_lines_than_any_vocabulary_has(folder):
    (folder / "merges.txt").write_text("\n" * (MAX_TOKENS + 1))
    with pytest.raises(VocabularyError, match=f"merges.txt: has {MAX_TOKENS + 1} lines; the limit is {MAX_TOKENS}"):
        read_vocabulary(folder)


def test_merges_over_the_limit(folder):
    with (folder / "merges.txt").open("r+b") as file:
        file.truncate(MAX_JSON_BYTES + 1)
    with pytest.raises(VocabularyError, match=f"merges.txt: is longer than {MAX_JSON_BYTES} bytes"):
        read_vocabulary(folder)


def test_more_tokens_than_any_vocabulary_has():
    with pytest.raises(VocabularyError, match=f"has {MAX_TOKENS + 1} tokens; the limit is {MAX_TOKENS}"):
        make_vocabulary({str(i): i for i in range(MAX_TOKENS + 1)}, [])


NEEDED = "needed are vocab.json and merges.txt, or tokenizer.json"


@needs_pipes
@pytest.mark.parametrize("names", [["merges.txt"], ["merges.txt", "vocab.json"], ["encoder.json"], ["tokenizer.json"]])
def test_a_pipe_is_no_file_and_not_the_same_as_none(names, folder):
    if names[0] != "merges.txt":
        (folder / "vocab.json").unlink()
        (folder / "merges.txt").unlink()
    for name in names:
        put_pipe(folder / name)
    with no_hang(), pytest.raises(VocabularyError) as caught:
        read_vocabulary(folder)
    first = min(names, key=["vocab.json", "merges.txt", "encoder.json", "tokenizer.json"].index)
    assert str(caught.value) == (f"{folder / first}: cannot be read: it is a pipe, not a regular file; {NEEDED}")
    assert not isinstance(caught.value, NoVocabularyError)


@needs_pipes
def test_what_is_no_file_is_ignored_with_a_warning_where_it_may_be_missing(folder, caplog):
    whole = read_vocabulary(folder)
    put_pipe(folder / "added_tokens.json")
    with caplog.at_level(logging.WARNING, "starchart"), no_hang():
        assert read_vocabulary(folder) == whole
    assert caplog.messages == [f"{folder / 'added_tokens.json'}: is ignored: it is a pipe, not a regular file"]
