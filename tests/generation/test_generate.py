"""The loop, with a simple model: its most probable token is always the last one plus 1."""

from math import inf

import numpy as np
import pytest
import torch

from starchart.errors import GenerationError
from starchart.generation.generate import Limits, generate
from starchart.generation.sampling import SamplingSettings
from starchart.gpt2 import GPT2
from starchart.model.cache import Cache
from tests.tiny_model import write_tiny_model

V, GREEDY = 50, SamplingSettings(temperature=0)


class ScreenedRow:
    """Imitates logits that an engine computes only as far as asked; records each request."""

    def __init__(self, row):
        self.row = row
        self.asked = []

    def top(self, count):
        self.asked.append(count)
        kept = sorted(self.row)[-count] if 0 < count < len(self.row) else -inf
        return [logit if logit >= kept else -inf for logit in self.row]


class CountingModel:
    """Imitates a model, and records what it was given to read."""

    def __init__(self):
        self.reads = []

    def __call__(self, ids, cache):
        self.reads.append((list(ids), cache and cache.length))
        row = [(index == (ids[-1] + 1) % V) + index / (2 * V) for index in range(V)]
        return ScreenedRow(row), Cache((cache.length if cache else 0) + len(ids), ())


def run(ids, **limits):
    model = CountingModel()
    steps = list(generate(ids, model, Limits(**{"n_positions": 8, "max_new_tokens": 20, **limits}), GREEDY))
    return [step.token for step in steps], [step.finish_reason for step in steps], model.reads


def test_the_prompt_is_read_once_and_then_token_by_token():
    tokens, reasons, reads = run([5, 6, 7], max_new_tokens=3)
    assert tokens == [8, 9, 10]
    assert reasons == [None, None, "length"]
    assert reads == [([5, 6, 7], None), ([8], 3), ([9], 4)]


def test_end_of_text_is_yielded_and_ends():
    tokens, reasons, _ = run([5], end_of_text=(3, 7))
    assert (tokens, reasons[-1]) == ([6, 7], "end_of_text")


def test_the_last_position_is_used_before_stopping():
    tokens, reasons, reads = run([1, 2, 3, 4, 5, 6])
    assert (tokens, reasons) == ([7, 8, 9], [None, None, "context"])
    assert reads[-1] == ([8], 7)  # the eighth position; the 9 that follows from it has no place


def test_a_prompt_that_fills_the_context_gives_one_token():
    tokens, reasons, _ = run(list(range(8)))
    assert (tokens, reasons) == ([8], ["context"])


def test_slide_goes_on_from_the_last_half():
    tokens, reasons, reads = run([1, 2, 3, 4, 5, 6], max_new_tokens=9, on_full="slide")
    assert tokens == list(range(7, 16))
    assert reasons == [None] * 8 + ["length"]
    first, again = [([1, 2, 3, 4, 5, 6], None), ([7], 6), ([8], 7)], [([10], 4), ([11], 5), ([12], 6), ([13], 7)]
    assert reads == [*first, ([6, 7, 8, 9], None), *again, ([11, 12, 13, 14], None)]


def test_slide_takes_the_end_of_a_long_prompt():
    assert run(list(range(20)), max_new_tokens=1, on_full="slide")[2] == [([16, 17, 18, 19], None)]


def test_slide_with_one_position():
    assert run([3], n_positions=1, max_new_tokens=3, on_full="slide")[0] == [4, 5, 6]


def test_the_prompt_is_not_changed():
    ids = [1, 2, 3]
    run(ids, on_full="slide")
    assert ids == [1, 2, 3]


def test_tokens_are_made_only_when_asked_for():
    model = CountingModel()
    steps = generate([1], model, Limits(8), GREEDY)
    assert model.reads == []
    next(steps)
    assert len(model.reads) == 1


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (GREEDY, 1),
        (SamplingSettings(temperature=0, top_k=5, top_p=0.5), 1),
        (SamplingSettings(top_k=3, seed=5), 3),
        (SamplingSettings(temperature=0.5, top_k=1000, top_p=0.9, seed=5), 1000),
        (SamplingSettings(seed=5), 0),
        (SamplingSettings(top_p=0.1, seed=5), 0),
    ],
    ids=str,
)
def test_no_more_logits_are_asked_for_than_can_be_drawn_from(settings, count):
    assert settings.tokens_needed == count
    for step in generate([5], CountingModel(), Limits(8, max_new_tokens=4), settings):
        assert step.drawn_from.asked == [count]
        assert step.logits == step.drawn_from.row  # the whole row, though the token was drawn from less
        assert step.drawn_from.asked == [count, 0]


@pytest.mark.parametrize("settings", [GREEDY, SamplingSettings(1.5, 4, 0.8, 3), SamplingSettings(top_k=2, seed=9)])
def test_a_screened_row_gives_the_tokens_of_the_whole_one(settings):
    def whole(ids, cache):
        logits, cache = CountingModel()(ids, cache)
        logits.top = lambda count: logits.row
        return logits, cache

    limits = Limits(99, max_new_tokens=60)
    tokens = [[step.token for step in generate([5], read, limits, settings)] for read in (CountingModel(), whole)]
    assert tokens[0] == tokens[1]


@pytest.mark.parametrize(
    ("ids", "limits", "words"),
    [
        (list(range(9)), {}, r"9 tokens.*at most 8"),
        ([1], {"max_new_tokens": 0}, "max_new_tokens"),
        ([1], {"max_new_tokens": True}, "max_new_tokens"),
        ([1], {"max_new_tokens": 2.0}, "max_new_tokens"),
        ([1], {"on_full": "wrap"}, "on_full"),
    ],
    ids=str,
)
def test_refused_before_anything_is_read(ids, limits, words):
    model = CountingModel()
    with pytest.raises(GenerationError, match=words):
        generate(ids, model, Limits(**{"n_positions": 8, **limits}), GREEDY)
    assert model.reads == []


@pytest.fixture
def gpt2(tmp_path):
    return GPT2.from_pretrained(write_tiny_model(tmp_path, seed=2))


def test_the_api_repeats_itself_with_a_seed_and_not_without(gpt2):
    settings = {"max_new_tokens": 12, "temperature": 1.3}
    assert list(gpt2.generate([65, 66], seed=7, **settings)) == list(gpt2.generate([65, 66], seed=7, **settings))
    # 6 runs of 12 tokens, each drawn from many of 261: six equal runs are out of the question.
    assert len({tuple(gpt2.generate([65, 66], **settings)) for _ in range(6)}) > 1


@pytest.mark.parametrize("ids", [[], [261], [-1], [1.5], [None], ["a"], "ab"], ids=str)
def test_ids_that_are_none_of_the_models(gpt2, ids):
    for ask in (gpt2.logits, gpt2.generate):
        with pytest.raises(GenerationError):
            ask(ids)


def test_ids_of_numpy_and_from_an_iterator(gpt2):
    assert gpt2.logits(np.array([65, 66])) == gpt2.logits(iter([65, 66])) == gpt2.logits([65, 66])


def test_more_tokens_than_the_model_reads(gpt2):
    with pytest.raises(GenerationError, match=r"17 tokens do not fit.*at most 16"):
        gpt2.logits([1] * 17)


@pytest.mark.parametrize("setting", [{"temperature": -1.0}, {"top_k": -1}, {"top_p": 0.0}, {"seed": 1 << 64}], ids=str)
def test_settings_are_checked_at_once(gpt2, setting):
    with pytest.raises(GenerationError):
        gpt2.generate([1], **setting)


def test_an_unknown_engine_is_refused_by_name(tmp_path):
    with pytest.raises(GenerationError, match="warp"):
        GPT2.from_pretrained(tmp_path, engine="warp")


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ("Once upon a time", r"token ids are wanted, not a text: Tokenizer\.from_pretrained\(model\)\.encode\(text\)"),
        ("", "token ids are wanted, not a text"),
        (b"ab", "token ids are wanted, not a text"),
        ([[65, 66]], "token ids must be whole numbers, those of one text: 'list' object"),
        (np.array([65.0, 66.0]), "token ids must be whole numbers, those of one text: 'numpy.float64' object"),
        (65, "token ids must be whole numbers, those of one text: 'int' object is not iterable"),
        ([np.int64(261)], "token id 261 is not one of the model's 261: use 0 to 260"),
    ],
    ids=str,
)
def test_what_is_said_of_ids_that_are_none(gpt2, ids, said):
    for ask in (gpt2.logits, gpt2.generate, gpt2.log_probabilities):
        with pytest.raises(GenerationError, match=said):
            ask(ids)


def test_ids_of_other_integer_types(gpt2):
    for ids in (
        np.array([65, 66], dtype=np.uint16),
        (np.int32(65), np.int64(66)),
        torch.tensor([65, 66]),
        {65: 0, 66: 0},
    ):
        assert list(gpt2.generate(ids, max_new_tokens=3, temperature=0)) == list(
            gpt2.generate([65, 66], max_new_tokens=3, temperature=0)
        )
