"""Random damage to valid files: each is refused with one line, or read. Nothing else may happen."""

import os
import random
import re
import struct
import tempfile
import tracemalloc
from pathlib import Path

import pytest

from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.gguf.reader import open_gguf
from starchart.errors import CheckpointError, VocabularyError
from starchart.tokenizer.gguf_vocabulary import read_gguf_vocabulary
from tests.checkpoints.damage import damage
from tests.checkpoints.gguf.raw_gguf import ARRAY, CODES, F32, I32, TEXT, U32, encoded, entry, gguf_file, tensor
from tests.checkpoints.gguf.samples import open_and_read, samples

CASES = 2000
MEMORY = 100_000_000
NUMBERS = (0, 1, 2, 7, 8, 31, 32, 64, 255, 2**16, 2**20, 2**31, 2**32 - 1)
HUGE = (2**33, 2**62, 2**63 - 1, 2**63, 2**64 - 32, 2**64 - 1)


@pytest.fixture
def path():
    # In memory where that is possible: on a disk, writing the files takes most of the time.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        yield Path(folder) / "model.gguf"


def refusal(read, path, refusals):
    """Read a file and return the message with which it is refused, or None. Any other error fails the test."""
    try:
        read(path)
    except refusals as error:
        return str(error)
    return None


def messages(cases, path, read, refusals):
    """Read every case and return the messages of those that are refused. One in four is watched for its memory."""
    found = []
    for number, data in enumerate(cases):
        path.write_bytes(data)
        if number % 4 == 0:
            tracemalloc.start()
        message = refusal(read, path, refusals)
        if number % 4 == 0:
            assert tracemalloc.get_traced_memory()[1] < MEMORY
            tracemalloc.stop()
        if message:
            assert message.isprintable()
            assert len(message) < 2000 + 10 * len(str(path))
            found.append(message)
    return found


def test_damaged_files(path):
    rng = random.Random("damaged GGUF")
    true = samples()
    for data in true:
        path.write_bytes(data)
        open_and_read(path)
    cases = [damage(true, rng) for _ in range(CASES // 2)]
    found = messages(cases, path, open_and_read, (CheckpointError, VocabularyError))
    assert 0.5 * len(cases) < len(found) < len(cases)  # in the rest, numbers or unused names are different


def lying_file(rng: random.Random, lies: float = 0.04) -> bytes:
    """Return a file in which every field may be false, with probability `lies`."""

    def lie(value, codes="Q"):
        if rng.random() >= lies:
            return value
        return rng.choice([v for v in (*NUMBERS, *HUGE) if v < 1 << 8 * struct.calcsize(codes)])

    kinds = [0, 1, 2, 8, 12, 30]
    sizes = {0: (1, 4), 1: (1, 2), 2: (32, 18), 8: (32, 34), 12: (256, 144), 30: (1, 2)}
    tensors, offset = [], 0
    for name in rng.sample(
        ["token_embd.weight", "position_embd.weight", "blk.0.ffn_up.weight", "output_norm.bias", "x"], 3
    ):
        kind = rng.choice(kinds)
        lengths = [sizes[kind][0], rng.randint(1, 4)][: rng.choice((1, 2, 2))]
        tensors.append(tensor(name, [lie(n) for n in lengths], lie(kind, "I"), lie(offset), lie(len(lengths), "I")))
        size = sizes[kind][1] * (lengths[1] if len(lengths) > 1 else 1)
        offset += -(-size // 32) * 32
    tokens = struct.pack("<IQ", lie(TEXT, "I"), lie(3)) + b"".join(encoded(TEXT, token) for token in ("a", "b", "ab"))
    entries = [
        *(
            entry(f"gpt2.{key}", lie(U32, "I"), struct.pack("<I", lie(4, "I")))
            for key in ("context_length", "block_count")
        ),
        entry("gpt2.embedding_length", U32, lie(4, "I")),
        entry("gpt2.attention.head_count", U32, lie(2, "I")),
        entry("gpt2.attention.layer_norm_epsilon", F32, rng.choice((1e-5, 1e-5, 0.0, float("nan")))),
        entry("tokenizer.ggml.model", TEXT, "gpt2"),
        entry("tokenizer.ggml.tokens", ARRAY, tokens),
        entry("tokenizer.ggml.token_type", ARRAY, (rng.choice(list(CODES)), [1, 1, 1])),
        entry("tokenizer.ggml.merges", ARRAY, (TEXT, ["a b"])),
        entry("tokenizer.ggml.eos_token_id", I32, rng.choice((0, 2, -1, 99))),
        *([entry("general.alignment", U32, lie(32, "I"))] if rng.random() < 0.5 else []),
    ]
    counts = lie(len(tensors)), lie(len(entries) + 1)
    data = rng.randbytes(offset)
    return gguf_file(entries, tensors, data, counts=counts, version=lie(3, "I"))


def test_files_whose_fields_lie(path):
    rng = random.Random("lying GGUF")
    cases = [lying_file(rng) for _ in range(CASES)]
    found = messages(cases, path, load_checkpoint, CheckpointError)
    assert len(found) == CASES  # none is a whole GPT-2
    assert (
        len({re.sub(r"\d+|'[^']*'", "", message) for message in found}) > 40
    )  # and there are many kinds of false fields
    found = messages(cases, path, read_gguf_vocabulary, VocabularyError)
    assert len(found) > 0.95 * CASES  # the others have no vocabulary, as their number of entries is false


@pytest.mark.parametrize("seed", range(5))
def test_files_of_that_kind_without_lies_are_opened(seed, path):
    path.write_bytes(lying_file(random.Random(seed), lies=0.0))
    assert len(open_gguf(path)) == 3
