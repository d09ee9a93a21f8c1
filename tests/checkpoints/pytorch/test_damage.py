"""Files of torch.save with random damage: refused with a CheckpointError, or read. Nothing else may happen."""

import random
import struct
import tracemalloc
import zipfile
from io import BytesIO

import pytest

from starchart.errors import CheckpointError
from tests.checkpoints.damage import damage
from tests.checkpoints.pytorch.handmade import archive
from tests.checkpoints.pytorch.samples import open_and_read, samples

CASES = 500
OPCODES = b"(NKMJGX)]}taeubsqrhjcRQ.\x80\x85\x86\x87\x88\x89\x8a\x8c\x93\x94\x95io012\x81\x82\x92"


def outcome(path, data):
    path.write_bytes(data)
    try:
        open_and_read(path)
    except CheckpointError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 700 + len(str(path))
        return "refused"
    return "read"


def pickles():
    """Give the pickles of the samples that are archives, and their storages."""
    for sample in samples():
        if zipfile.is_zipfile(BytesIO(sample)):
            members = zipfile.ZipFile(BytesIO(sample))
            storages = {name.rpartition("/")[2]: members.read(name) for name in members.namelist() if "/data/" in name}
            yield members.read("archive/data.pkl"), storages


def damage_pickle(data, rng):
    """Change, remove or insert single opcodes and arguments; damage at random places seldom does that."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(2, len(changed))
        kind = rng.randrange(5)
        if kind == 0:
            changed[at] = rng.choice(OPCODES)
        elif kind == 1:
            changed[at:at] = bytes([rng.choice(OPCODES)])
        elif kind == 2:
            del changed[at : at + rng.randint(1, 3)]
        elif kind == 3:
            changed[at : at + 4] = struct.pack("<I", rng.choice((0, 1, 255, 2**16, 2**31 - 1, 2**32 - 1, len(data))))
        else:
            end = rng.randrange(at, min(len(changed), at + 60) + 1)
            to = rng.randrange(2, len(changed))
            changed[to:to] = changed[at:end] * rng.randint(1, 3)
    return bytes(changed)


@pytest.fixture
def traced():
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000  # the files have a few thousand bytes


@pytest.mark.parametrize("number", range(4))
def test_damaged_files(number, tmp_path, traced):
    rng = random.Random(f"torch.save {number}")
    sample = samples()[number]
    assert outcome(tmp_path / "file", sample) == "read"
    found = [outcome(tmp_path / "file", damage([sample], rng)) for _ in range(CASES)]
    assert found.count("refused") > CASES / 4


def test_damaged_pickles_in_true_archives(tmp_path, traced):
    rng = random.Random("pickles")
    found = []
    for data, storages in pickles():
        assert outcome(tmp_path / "file", archive(data, storages)) == "read"
        found += [outcome(tmp_path / "file", archive(damage_pickle(data, rng), storages)) for _ in range(CASES)]
    assert found.count("refused") > CASES
