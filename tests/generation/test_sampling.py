"""Settings, greedy choice and refused logits: tests that need no other library."""

from dataclasses import FrozenInstanceError
from math import inf, nan

import pytest

from starchart.errors import GenerationError
from starchart.generation.sampling import SamplingSettings, sample
from starchart.generation.torch_random import TorchGenerator

GREEDY = SamplingSettings(temperature=0)


def test_settings_at_the_edges_of_their_ranges_are_taken():
    SamplingSettings(temperature=0, top_k=0, top_p=1, seed=None)
    SamplingSettings(temperature=1e-45, top_k=10**9, top_p=1e-9, seed=-(2**63))
    SamplingSettings(temperature=3.4e38, top_p=1.0, seed=2**64 - 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("temperature", value) for value in (-0.1, nan, inf, -inf, 1e39, 10**400, 1e-46, True, "1", None)),
        *(("top_k", value) for value in (-1, 1.0, nan, True, "5", None)),
        *(("top_p", value) for value in (0, 0.0, -0.5, 1.0000001, nan, inf, True, "0.9", None)),
        *(("seed", value) for value in (-(2**63) - 1, 2**64, 1.5, True, "7")),
    ],
)
def test_a_setting_out_of_range_is_refused_in_one_line_that_names_it(name, value):
    with pytest.raises(GenerationError, match=rf"\A{name} [^\n]+: [^\n]+\Z"):
        SamplingSettings(**{name: value})


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError):
        SamplingSettings().temperature = 2


def test_greedy_takes_the_largest_logit_and_no_random_words():
    generator = TorchGenerator(3)
    assert sample([0.5, 2.0, -1.0, 1.5], GREEDY, generator) == 1
    assert generator.words(1) == TorchGenerator(3).words(1)


def test_greedy_takes_the_first_of_logits_that_are_equal_in_float32():
    assert sample([0.0, 1.0, 1.0 + 2**-30, 1.0], GREEDY, TorchGenerator(0)) == 1
    assert sample([0.0, 1.0, 1.0 + 2**-22, 1.0], GREEDY, TorchGenerator(0)) == 2


def test_greedy_ignores_the_filters():
    assert sample([3.0, 2.0, 1.0], SamplingSettings(temperature=-0.0, top_k=1, top_p=0.1), TorchGenerator(0)) == 0


@pytest.mark.parametrize("settings", [SamplingSettings(), SamplingSettings(1.3, 3, 0.9), SamplingSettings(top_k=1)])
def test_every_draw_uses_two_words_a_token(settings):
    generator, counter = TorchGenerator(5), TorchGenerator(5)
    sample([1.0, 2.0, -inf, 0.5, 1.5, 1.5, 0.0], settings, generator)
    counter.words(14)
    assert generator.words(1) == counter.words(1)


def test_only_one_token_to_draw():
    assert sample([-7.5], SamplingSettings(0.5, 1, 0.5), TorchGenerator(1)) == 0
    assert sample([-inf, 0.0, -inf], SamplingSettings(0.5, 3, 0.999), TorchGenerator(1)) == 1


@pytest.mark.parametrize("settings", [GREEDY, SamplingSettings(), SamplingSettings(0.7, 2, 0.9)])
@pytest.mark.parametrize(
    ("logits", "message"),
    [
        ([], "there are no logits"),
        ([0.0, 1.0, nan], "the logit of token 2 is NaN"),
        ([nan, 1.0, 2.0], "the logit of token 0 is NaN"),
        ([0.0, inf, 1.0], "the largest logit is inf in float32"),
        ([0.0, 1e39, 1.0], "the largest logit is inf in float32"),
        ([-inf, -inf], "the largest logit is -inf in float32"),
    ],
)
def test_logits_that_cannot_be_drawn_from_are_refused(settings, logits, message):
    with pytest.raises(GenerationError, match=rf"\A{message}[^\n]*: [^\n]+\Z"):
        sample(logits, settings, TorchGenerator(0))


def test_a_temperature_too_small_for_the_logits_is_named():
    with pytest.raises(GenerationError, match=r"\Athe largest logit is inf after division by temperature 1e-40: .+\Z"):
        sample([1.0, 2.0], SamplingSettings(temperature=1e-40), TorchGenerator(0))
