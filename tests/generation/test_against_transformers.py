"""The same settings and seed give the tokens that transformers' `generate` gives, both sides in float64.

Short runs; `python bench/same_tokens.py` makes the long ones.
"""

from dataclasses import replace

import pytest
import torch
from transformers import GPT2LMHeadModel

from bench.same_tokens import PROMPT, SETTINGS, compare, random_models
from starchart.generation.sampling import SamplingSettings
from starchart.gpt2 import GPT2
from tests.data import shared
from tests.random_gpt2 import write_random_gpt2

GREEDY = SamplingSettings(temperature=0)


@pytest.fixture(scope="module")
def small_models(tmp_path_factory):
    return {folder.name: pair(folder) for folder in random_models(tmp_path_factory.mktemp("models"))}


def pair(folder):
    return GPT2.from_pretrained(folder), GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64).eval()


@pytest.mark.parametrize("settings", [GREEDY, *SETTINGS], ids=str)
@pytest.mark.parametrize(("name", "count"), [("random-1000", 50), ("random-50257", 10)])
def test_tiny_random_models(small_models, name, count, settings):
    tokens, equal, near_ties, _ = compare(*small_models[name], PROMPT, settings, count)
    assert tokens == count
    assert equal + near_ties == tokens
    assert near_ties <= 1  # float64 logits differ by about 1e-14; near-ties that close are one in many millions


def test_tales_6m():
    ours, theirs = pair(shared("models/tales-6m"))
    for settings, count in [(GREEDY, 20), (SETTINGS[1], 10), (SETTINGS[4], 10)]:
        assert compare(ours, theirs, PROMPT, settings, count)[:2] == (count, count)


def test_the_comparison_finds_another_model_and_another_seed(tmp_path, small_models):
    ours, theirs = small_models["random-1000"]
    write_random_gpt2(tmp_path, seed=1, vocab_size=1000, n_positions=520, n_embd=16, n_head=2, layer_norm_epsilon=1e-3)
    slightly_other = GPT2.from_pretrained(tmp_path)
    assert compare(slightly_other, theirs, PROMPT, SETTINGS[0], 60)[3] == 0  # put down to the difference of the logits
    other_draws = replace(SETTINGS[0], temperature=1.01)
    assert compare(ours, theirs, PROMPT, SETTINGS[0], 30, ours_with=other_draws)[3] > 0
    assert compare(ours, theirs, PROMPT, SETTINGS[1], 30, ours_with=replace(SETTINGS[1], seed=43))[3] > 0
    assert compare(ours, theirs, PROMPT, SETTINGS[4], 60, ours_with=replace(SETTINGS[4], top_p=0.6))[3] > 0
