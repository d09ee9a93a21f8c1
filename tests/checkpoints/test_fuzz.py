"""Random damage: a broken file is refused with a CheckpointError, or still loads. Nothing else may happen."""

import json
import random

import pytest

from starchart.errors import CheckpointError
from starchart.gpt2 import GPT2
from tests.tiny_model import write_tiny_model

DIGITS = b'0123456789-"{}[],:\x00\xff'


def damage(data: bytes, rng: random.Random, header_end: int) -> bytes:
    """Return `data` with a few bytes changed, most of them in the header, or with a piece cut out or doubled."""
    kind = rng.randrange(5)
    start, end = sorted(rng.randrange(header_end if rng.random() < 0.8 else len(data)) for _ in range(2))
    if kind == 0:
        return data[:end]
    if kind == 1:
        return data[:start] + data[end:]
    if kind == 2:
        return data[:end] + data[start:]
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(header_end if rng.random() < 0.9 else len(data))
        changed[place] = rng.randrange(256) if kind == 3 else rng.choice(DIGITS)
    return bytes(changed)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "generation_config.json"])
def test_damaged_files(name, tmp_path):
    write_tiny_model(tmp_path, n_embd=4, n_head=2, vocab_size=7, n_layer=1)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [3, 4], "_from_model_config": True}))
    path = tmp_path / name
    data = path.read_bytes()
    header_end = 8 + int.from_bytes(data[:8], "little") if name == "model.safetensors" else len(data)
    rng = random.Random(f"damage {name}")
    messages = []
    for _ in range(300):
        path.write_bytes(damage(data, rng, header_end))
        try:
            GPT2.from_pretrained(tmp_path)  # with its matrices, which are read last
        except CheckpointError as error:
            messages.append(str(error))
    assert len(messages) > 100  # else nothing was damaged
    for message in messages:
        assert message.isprintable()  # one line
        assert len(message) < 2000 + 10 * len(str(path))
