"""Progress is reported while a long prompt is read."""

import pytest

from starchart.gpt2 import GPT2
from starchart.tap import Recording
from tests.tiny_model import write_tiny_model

IDS = [(37 * n) % 257 for n in range(41)]


@pytest.fixture
def told():
    return []


@pytest.fixture
def gpt2(tmp_path, told):
    def progress(what, done, total):
        told.append((what, done, total))

    return GPT2.from_pretrained(write_tiny_model(tmp_path, n_positions=64), progress=progress)


def test_a_long_prompt_is_told_of_with_rising_numbers(gpt2, told):
    gpt2.logits(IDS)
    assert told == [("reading", 0, 41), ("reading", 16, 41), ("reading", 32, 41), ("reading", 41, 41)]


def test_a_prompt_of_whole_parts_ends_once(gpt2, told):
    gpt2.logits(IDS[:32], last_only=True)
    assert told == [("reading", 0, 32), ("reading", 16, 32), ("reading", 32, 32)]


def test_what_is_read_at_once_is_not_worth_a_word(gpt2, told):
    _, cache = gpt2.read(IDS[:16])
    gpt2.read([1], cache)
    gpt2.logits(IDS, tap=Recording())  # with a tap, one pass
    assert told == []


def test_generation_tells_of_its_prompt_alone_and_before_the_first_token(gpt2, told):
    steps = gpt2.generate(IDS, max_new_tokens=3, seed=1)
    assert told == []
    next(steps)
    assert [done for _, done, _ in told] == [0, 16, 32, 41]
    list(steps)
    assert len(told) == 4
