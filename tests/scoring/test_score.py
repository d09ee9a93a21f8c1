"""The sums and quotients of a score, with a model whose results are known."""

from math import exp, isclose, log

import pytest

from starchart import Tokenizer
from starport.scoring.score import Score, score, total
from starport.scoring.windows import Recipe
from tests.tiny_model import write_vocabulary

END_OF_TEXT = 260


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    write_vocabulary(folder)
    return Tokenizer.from_pretrained(folder)


def past(ids):
    """Return what tells which ids were seen: a number for each id but the first, exact in binary."""
    return [-len(ids[:at]) - ids[at - 1] / 1024 - ids[at] / 2**20 for at in range(1, len(ids))]


def test_a_document_of_two_windows_and_one_of_a_token(tokenizer):
    # " the" is one token of four bytes, e with its accent two tokens of a byte each.
    ids = tokenizer.encode("x the\u00e9!")
    assert len(ids) == 5
    recipe = Recipe(context=4, stride=3, prefix=END_OF_TEXT)
    found = score(["x the\u00e9!", "q"], tokenizer, past, recipe)
    (q,) = tokenizer.encode("q")
    expected = [
        *past([END_OF_TEXT, *ids[:3]]),
        *past([ids[2], *ids[3:]]),
        *past([END_OF_TEXT, q]),
    ]
    assert found == Score(documents=2, bytes=9, tokens=6, log_likelihood=sum(expected))


def test_a_smaller_stride_sees_more(tokenizer):
    document = "abcdefgh"
    ids = [END_OF_TEXT, *tokenizer.encode(document)]
    found = score([document], tokenizer, past, Recipe(context=6, stride=1, prefix=END_OF_TEXT))
    assert found.tokens == 8
    assert found.log_likelihood == sum([*past(ids[:6]), *(past(ids[at - 5 : at + 1])[-1] for at in (6, 7, 8))])


def test_perplexity_is_of_a_token_and_bits_are_of_a_byte():
    one = Score(documents=3, bytes=50, tokens=20, log_likelihood=-30.0)
    assert isclose(one.perplexity, exp(1.5), rel_tol=1e-15)
    assert isclose(one.bits_per_byte, 30 / 50 / log(2), rel_tol=1e-15)
    assert Score(1, 1, 1, -800.0).perplexity == float("inf")
    assert Score(1, 1, 1, 0.0).perplexity == 1.0


def test_total_adds_up():
    every = total([Score(1, 10, 4, -1e16), Score(2, 20, 5, -1.0), Score(4, 30, 6, 1e16)])
    assert every == Score(7, 60, 15, -1.0)


def test_the_sum_is_rounded_once(tokenizer):
    numbers = iter([-1e16, -1.0, -1.0, -1.0])
    found = score(["abcd"], tokenizer, lambda ids: [next(numbers) for _ in ids[1:]], Recipe(2, 1, END_OF_TEXT))
    assert found.log_likelihood == -1e16 - 4  # the nearest double to -1e16 - 3; one by one nothing would be added


@pytest.mark.parametrize("answer", [past([1, 2]), [*past([1, 2, 3]), -1.0]], ids=["too few", "too many"])
def test_a_model_that_answers_too_little_or_too_much(tokenizer, answer):
    with pytest.raises(ValueError, match="zip"):
        score(["ab"], tokenizer, lambda ids: answer, Recipe(9, 8, END_OF_TEXT))


def test_progress_counts_tokens(tokenizer):
    told = []
    score(["abc", "d"], tokenizer, past, Recipe(3, 1, END_OF_TEXT), lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
