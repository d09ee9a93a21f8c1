"""The trainer against the tokenizers library, on made-up texts and on the tales, and against merges worked by hand."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starchart.errors import VocabularyError
from starchart.tokenizer.tokenizer import Tokenizer
from starchart.tokenizer.trainer import train_bpe
from starchart.tokenizer.training_files import read_lines, save_vocabulary
from tests.data import shared
from tests.hanging import needs_pipes, no_hang, put_pipe


def test_by_hand() -> None:
    # Words: low x1, " low" x1, " lower" x2. Pairs: lo 4, ow 4, " l" 3, we 2, er 2. Equal: the smaller ids first.
    ids, merges = train_bpe(["low low lower lower"], 263)
    assert merges == [("l", "o"), ("lo", "w"), ("Ġ", "low"), ("e", "r"), ("Ġlow", "er")]
    assert ids["<|endoftext|>"] == 0
    assert list(ids.values()) == [*range(262)]  # 263 were asked for; no pair is left that occurs twice


def test_small_sizes_keep_the_bytes() -> None:
    ids, merges = train_bpe(["aaaa"], 10, special_tokens=["<a>", "<b>", "<a>"])
    assert len(ids) == 258
    assert merges == []
    assert ids["<b>"] == 1


def library(texts: list[str], vocab_size: int, min_frequency: int, special: list[str], folder: Path) -> tuple[str, str]:
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.ByteLevelBPETokenizer()
    options = {"vocab_size": vocab_size, "min_frequency": min_frequency, "special_tokens": special}
    theirs.train_from_iterator(texts, show_progress=False, **options)
    theirs.save_model(str(folder))
    return read_pair(folder)


def read_pair(folder: Path) -> tuple[str, str]:
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    return vocab.read_bytes().decode(), merges.read_bytes().decode()


# Few letters, so that many pairs are equally frequent, and runs of one letter.
TEXTS = st.lists(st.text(st.sampled_from("aaab  \n7.'sé"), max_size=80), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    texts=TEXTS,
    vocab_size=st.sampled_from([0, 200, 257, 258, 262, 270, 400]),
    min_frequency=st.integers(0, 4),
    special=st.sampled_from([["<|endoftext|>"], [], ["<x>", "<y>"], ["ab", "a"]]),
)
def test_equals_the_tokenizers_library(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], vocab_size: int, min_frequency: int, special: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("library")
    expected = library(texts, vocab_size, min_frequency, special, folder)
    trained = train_bpe(texts, vocab_size, min_frequency=min_frequency, special_tokens=special)
    save_vocabulary(folder, *trained)
    assert read_pair(folder) == expected


def test_the_tales(tmp_path: Path) -> None:
    files = [shared("tales/train.txt")]  # 22 MB, from which the library made the vocabulary of tales-6m
    save_vocabulary(tmp_path, *train_bpe(read_lines(files), 4096))
    assert read_pair(tmp_path) == read_pair(shared("models/tales-6m"))


def test_files_are_read_as_the_library_reads_them(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_bytes("a b\r\n\n\n  a\x85b\u2028\n\n<|endoftext|>\n\na b".encode())
    second.write_bytes(b"ba<|endoftext|>\x0c\n\n\n\nst\n\n\n  a")
    theirs = tokenizers.ByteLevelBPETokenizer()
    names = [str(first), str(second)]
    theirs.train(names, vocab_size=300, min_frequency=2, special_tokens=["<|endoftext|>"], show_progress=False)
    theirs.save_model(str(tmp_path))
    expected = read_pair(tmp_path)
    save_vocabulary(tmp_path, *train_bpe(read_lines(names), 300))
    assert read_pair(tmp_path) == expected


def test_what_was_trained_encodes(tmp_path: Path) -> None:
    ids, merges = train_bpe(["the star and the moon, the star and the moon"], 300)
    save_vocabulary(tmp_path / "new" / "folder", ids, merges)
    tokenizer = Tokenizer.from_pretrained(tmp_path / "new" / "folder")
    assert tokenizer.encode("the star") == [ids["the"], ids["Ġstar"]]
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["merges.txt", "vocab.json"]


def test_surrogates_in_a_text() -> None:
    assert train_bpe(["a\ud800a\ud800"], 300) == train_bpe(["a\ufffda\ufffd"], 300)


def test_unreadable_texts(tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"fine\n\xff\n")
    with pytest.raises(VocabularyError, match=r"bad\.txt: line 2 is not UTF-8"):
        train_bpe(read_lines([bad]), 300)
    for file, fault in (
        (tmp_path / "nowhere.txt", "there is no such file"),
        (tmp_path / "a\0b", "there is no such file"),
        (tmp_path, "it is a folder, not a regular file"),
        (os.devnull, "it is a device, not a regular file"),  # it may never end
    ):
        with pytest.raises(VocabularyError) as caught:
            train_bpe(read_lines([file]), 300)
        assert str(caught.value) == f"{file}: cannot be read: {fault}; give files of text"


@needs_pipes
def test_a_pipe_is_read_and_one_that_nobody_writes_to_is_empty(tmp_path: Path) -> None:
    pipe = put_pipe(tmp_path / "pipe")
    with no_hang():
        assert list(read_lines([pipe])) == []
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        writer = os.open(pipe, os.O_WRONLY)
        os.write(writer, "one\nn\u00e4chste".encode())
        os.close(writer)
        assert list(read_lines([pipe])) == ["one\n", "n\u00e4chste"]
        os.close(reader)


def test_a_failed_save_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vocab.json").write_text("old")
    (tmp_path / "merges.txt").write_text("old")

    def full(file: Path, content: str, **_: str) -> None:
        file.write_bytes(content.encode()[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(VocabularyError, match="the vocabulary cannot be written: No space left on device"):
            save_vocabulary(tmp_path, {"a": 0}, [])
    with pytest.raises(VocabularyError, match="is a file; give a folder for vocab"):
        save_vocabulary(tmp_path / "vocab.json", {"a": 0}, [])  # no folder
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"vocab.json": "old", "merges.txt": "old"}
