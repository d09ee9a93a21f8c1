"""Small files that would be large in memory: each is refused, or read, with less than 200 MB."""

import json
import struct
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from starchart import Tokenizer
from starchart.checkpoints.checkpoint import open_tensors
from starchart.errors import StarchartError
from starchart.files.json_file import MAX_JSON_BYTES, MAX_JSON_VALUES
from starchart.tokenizer.vocabulary import MAX_TOKENS
from tests.tiny_model import byte_alphabet, write_tiny_model

MOST = 200_000_000
ENTRY = '{"dtype":"U8","shape":[],"data_offsets":[0,0]}'


def _header(folder: Path, header: str) -> None:
    data = header.encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(data)) + data)


def _entries(count: int, name: str = "%x") -> str:
    return "{" + ",".join(f'"{name % i}":{ENTRY}' for i in range(count)) + "}"


def _tokens(count: int) -> str:
    ids = {token: i for i, token in enumerate(byte_alphabet())}
    ids |= {f"more{i}": i for i in range(len(ids), count)}
    return json.dumps(ids, separators=(",", ":"), ensure_ascii=False)


def _sparse(file: Path, size: int) -> None:
    with file.open("r+b") as open_file:
        open_file.truncate(size)


ATTACKS: dict[str, Callable[[Path], object]] = {
    "config of empty arrays": lambda at: (at / "config.json").write_text('{"a":[' + "[]," * 10**6 + "0]}"),
    "config at the limit of values": lambda at: (at / "config.json").write_text(
        "{" + ",".join(f'"{i}":0' for i in range(MAX_JSON_VALUES - 1)) + "}"
    ),
    "config of one long text": lambda at: (at / "config.json").write_text(
        '{"\U0001f600":"' + "a" * (MAX_JSON_BYTES - 12) + '"}', encoding="utf-8"
    ),
    "sparse config": lambda at: _sparse(at / "config.json", 400_000_000),
    "header of a million arrays": lambda at: _header(at, '{"a":[' + "[]," * 10**6 + "0]}"),
    "header of 10^5 tensors": lambda at: _header(at, _entries(100_000)),
    "header of 10^5 tensors that count more": lambda at: _header(at, _entries(200_000)),
    "header of long names": lambda at: _header(at, _entries(100, "x" * 100_000 + "%x")),
    "header of a huge shape": lambda at: _header(at, '{"a":' + ENTRY.replace("[]", f"[{'9' * 4000},9]", 1) + "}"),
    "header of a million axes": lambda at: _header(at, '{"a":' + ENTRY.replace("[]", f"[{'1,' * 10**6}1]", 1) + "}"),
    "vocabulary of a million tokens": lambda at: (at / "vocab.json").write_text(_tokens(10**6), encoding="utf-8"),
    "vocabulary at the limit of tokens": lambda at: (at / "vocab.json").write_text(
        _tokens(MAX_TOKENS - 1), encoding="utf-8"
    ),
    "vocabulary over the limit of tokens": lambda at: (at / "vocab.json").write_text(
        _tokens(MAX_TOKENS + 1), encoding="utf-8"
    ),
    "sparse merges": lambda at: _sparse(at / "merges.txt", 400_000_000),
    "merges of line feeds": lambda at: (at / "merges.txt").write_bytes(b"\n" * MAX_JSON_BYTES),
    "merges of one line": lambda at: (at / "merges.txt").write_bytes(b"a" * MAX_JSON_BYTES),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_memory_stays_small(attack, tmp_path):
    write_tiny_model(tmp_path)
    attack(tmp_path)
    tracemalloc.start()
    try:
        with suppress(StarchartError):
            open_tensors(tmp_path)
            Tokenizer.from_pretrained(tmp_path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MOST
