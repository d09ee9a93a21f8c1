"""TorchGenerator against torch's own CPU generator, and against numbers written down here."""

import pytest

from starchart.errors import GenerationError
from starchart.generation.exponential_race import exponential_time
from starchart.generation.torch_random import TorchGenerator

SEEDS = [0, 1, 42, 2**31, 2**32 - 1, 2**32 + 5, 2**63 - 1, 2**64 - 1, -1, -(2**63), -5]


def test_the_first_words_of_seed_42():
    assert list(TorchGenerator(42).words(3)) == [1608637542, 3421126067, 4083286876]


def test_words_do_not_depend_on_how_many_are_asked_for_at_once():
    whole, parts = TorchGenerator(7), TorchGenerator(7)
    assert list(whole.words(1400)) == [*parts.words(1), *parts.words(0), *parts.words(1000), *parts.words(399)]


def test_the_first_word_is_the_lowest_of_the_bits():
    first, second = TorchGenerator(42).words(2)
    assert TorchGenerator(42).bits(2) == second << 32 | first


def test_equal_low_32_bits_are_the_same_seed():
    assert TorchGenerator(-1).words(5) == TorchGenerator(2**32 - 1).words(5)
    assert TorchGenerator(5).words(5) == TorchGenerator(2**32 + 5).words(5)


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_numbers_and_floats_as_torch_draws_them(seed):
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    generator = TorchGenerator(seed)
    assert torch.empty(700, dtype=torch.int32).random_().tolist() == [word % 2**31 for word in generator.words(700)]
    assert torch.rand(700).tolist() == [(word & 0xFFFFFF) / 2**24 for word in generator.words(700)]
    words = generator.words(1400)
    numbers = [high << 32 | low for high, low in zip(words[0::2], words[1::2], strict=True)]
    assert torch.rand(700, dtype=torch.float64).tolist() == [(n & (2**53 - 1)) / 2**53 for n in numbers]


@pytest.mark.parametrize("seed", SEEDS)
def test_exponential_times_as_torch_draws_them(seed):
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    words = TorchGenerator(seed).words(2000)
    ours = list(map(exponential_time, words[0::2], words[1::2]))
    # torch calls the platform's log1p and we call our own: an ulp or two of a double apart (2^-52 is one at most).
    assert ours == pytest.approx(torch.empty(1000, dtype=torch.float64).exponential_().tolist(), rel=2**-51, abs=0)


@pytest.mark.parametrize("seed", [-(2**63) - 1, 2**64, 10**30, True, 1.0, "3", None])
def test_a_seed_that_torch_does_not_take_is_refused(seed):
    with pytest.raises(GenerationError, match=r"^seed .* from -2\^63 to 2\^64 - 1: choose one in that range$"):
        TorchGenerator(seed)
