"""Scores equal those of transformers in float64 with the same recipe."""

from math import isclose

import pytest

from starchart import GPT2, Tokenizer
from starport.scoring.documents import read_documents
from starport.scoring.score import score
from starport.scoring.windows import Recipe
from tests.data import shared
from tests.numpy_engine import NumpyEngine
from tests.scoring.transformers_score import transformers_score
from tests.tiny_model import write_tiny_model

DOCUMENTS = [
    "On the first day the fox met a hound. \u00c9t\u00e9, \u6771, \U0001f98a!\r\n\r\n<|endoftext|> stood on no line.",
    "a",
    "Soon after.",
]
# Relative, as asked of the reference engine; both sides add up rounding errors of about 1e-14 a token.
TOLERANCE = 1e-9


def our_score(folder, documents, context, stride, engine="reference", **options):
    tokenizer = Tokenizer.from_pretrained(folder)
    with GPT2.from_pretrained(folder, engine, **options) as gpt2:
        recipe = Recipe.for_model(gpt2.config.n_positions, tokenizer.end_of_text, context, stride)
        return score(documents, tokenizer, gpt2.log_probabilities, recipe)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("tiny"), seed=8, n_positions=24, n_layer=3)


def assert_equal(ours, theirs, tolerance):
    assert (ours.tokens, ours.bytes) == theirs[:2]
    assert isclose(ours.log_likelihood, theirs[2], rel_tol=tolerance), ours.log_likelihood / theirs[2] - 1


@pytest.mark.parametrize(("context", "stride"), [(24, 23), (24, 10), (7, 6), (5, 1), (2, 1), (19, 18)])
def test_the_reference_engine(tiny, context, stride):
    theirs = transformers_score(tiny, DOCUMENTS, context, stride)
    assert theirs[0] > 3 * 24
    assert_equal(our_score(tiny, DOCUMENTS, context, stride), theirs, TOLERANCE)


def test_an_untied_head_and_a_padded_vocabulary(tmp_path):
    folder = write_tiny_model(tmp_path, seed=9, vocab_size=300, tie_word_embeddings=False, n_head=1, n_embd=7)
    assert_equal(our_score(folder, DOCUMENTS, None, None), transformers_score(folder, DOCUMENTS, 16, 15), TOLERANCE)


# The packed engine rounds weights and values to fewer bits. Over eight models and recipes of this kind the largest
# difference was 1.2e-8 with full and 1.4e-3 with fast; the tolerance is some eight times that.
@pytest.mark.parametrize(("precision", "tolerance"), [("full", 1e-7), ("fast", 1e-2)])
def test_the_packed_engine(tiny, precision, tolerance):
    ours = our_score(tiny, DOCUMENTS, 24, 10, "packed", precision=precision, pack_cache=False)
    assert_equal(ours, transformers_score(tiny, DOCUMENTS, 24, 10), tolerance)


def test_recipes_differ(tiny):
    # Otherwise the tests above could not tell them apart.
    likelihoods = [our_score(tiny, DOCUMENTS, *recipe).log_likelihood for recipe in [(24, 23), (24, 22), (23, 22)]]
    assert min(abs(a / b - 1) for a, b in zip(likelihoods, likelihoods[1:] + likelihoods[:1], strict=True)) > 1e-5


def test_tales_6m_on_the_reference_engine():
    folder = shared("models/tales-6m")
    documents = [document[:18] for document in read_documents([shared("tales/valid.txt")])[:2]]
    ours = our_score(folder, documents, 5, 4)
    assert ours.tokens > 8
    assert_equal(ours, transformers_score(folder, documents, 5, 4), TOLERANCE)


def test_tales_6m_in_longer_windows():
    # Through the engine over NumPy, which a test of the model ties to the reference engine.
    folder = shared("models/tales-6m")
    documents = [document[:300] for document in read_documents([shared("tales/valid.txt")])[:2]]
    ours = our_score(folder, documents, 50, 49, NumpyEngine())
    assert ours.tokens > 120
    assert_equal(ours, transformers_score(folder, documents, 50, 49), TOLERANCE)


def test_the_tales_have_the_tokens_and_bytes_of_the_baseline():
    # The counts of docs/TOWEL.md, so that its 1.4217 bits per byte have the same divisor.
    documents = read_documents([shared("tales/valid.txt")])
    tokenizer = Tokenizer.from_pretrained(shared("models/tales-6m"))
    counted = score(documents, tokenizer, lambda ids: [-1.0] * (len(ids) - 1), Recipe(512, 511, 0))
    assert (counted.tokens, counted.bytes, counted.log_likelihood) == (184_721, 685_282, -184_721.0)
