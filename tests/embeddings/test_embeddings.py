"""Embeddings against NumPy, and by hand."""

import numpy as np

from starchart.embeddings.embedding_lookup import EmbeddingWeights, embed
from starchart.embeddings.input_embeddings import input_embeddings
from starchart.embeddings.output_projection import output_projection
from starchart.engines import reference
from starchart.tap import no_tap

random = np.random.default_rng(4)
WTE, WPE = random.normal(size=(11, 7)), random.normal(size=(6, 7))


def test_embed_copies_bits():
    np.testing.assert_array_equal(embed([10, 0, 10], WTE.tolist()), WTE[[10, 0, 10]])


def test_embed_gives_rows_of_its_own():
    table = [[1.0, 2.0]]
    embed([0], table)[0][0] = 9.0
    assert table == [[1.0, 2.0]]


def test_positions_count_from_the_first_one():
    out = input_embeddings([3, 3], 4, EmbeddingWeights(WTE.tolist()), EmbeddingWeights(WPE.tolist()), reference, no_tap)
    np.testing.assert_array_equal(out, WTE[[3, 3]] + WPE[[4, 5]])


def test_output_projection():
    x = random.normal(size=(3, 7))
    # 7 products of numbers of about 1: either side is within 7 * 2^-53 * 7.
    np.testing.assert_allclose(output_projection(x.tolist(), WTE.tolist(), False), x @ WTE.T, rtol=0, atol=1e-14)
    np.testing.assert_allclose(output_projection(x.tolist(), WTE.tolist(), True), x[-1:] @ WTE.T, rtol=0, atol=1e-14)
