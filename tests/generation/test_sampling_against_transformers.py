"""Token for token the same draws as transformers: its processors with torch.multinomial, and its generate()."""

import random

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from starchart.generation.sampling import SamplingSettings, sample  # noqa: E402
from starchart.generation.torch_random import TorchGenerator  # noqa: E402
from tests.generation.transformers_draw import (  # noqa: E402
    random_row,
    random_settings,
    torch_word,
    transformers_draw,
)

GENERATE_SETTINGS = [
    SamplingSettings(seed=0),
    SamplingSettings(temperature=0.8, top_k=40, seed=42),
    SamplingSettings(temperature=0.7, top_p=0.9, seed=1),
    SamplingSettings(temperature=1.5, top_k=200, top_p=0.95, seed=2**32 - 1),
    SamplingSettings(top_k=1, seed=3),
    SamplingSettings(top_k=5, seed=4),
    SamplingSettings(top_p=0.5, seed=5),
    SamplingSettings(top_p=0.999, seed=2**40 + 6),
    SamplingSettings(temperature=0.1, seed=7),
    SamplingSettings(temperature=3.0, top_k=1000, seed=8),
    SamplingSettings(temperature=1.0, top_k=50, top_p=0.1, seed=9),
    SamplingSettings(temperature=0, seed=10),
]


@pytest.mark.parametrize(("size", "count"), [(1, 10), (3, 100), (40, 400), (1000, 200), (50257, 20)])
def test_the_draws_of_torch_multinomial_behind_the_processors(size, count):
    chooser = random.Random(size)
    for _ in range(count):
        row, settings = random_row(chooser, size), random_settings(chooser)
        torch.manual_seed(settings.seed)
        generator = TorchGenerator(settings.seed)
        for _ in range(2):
            assert sample(row, settings, generator) == transformers_draw(row, settings)
        assert generator.words(1)[0] % 2**31 == torch_word()


def test_tied_logits_are_drawn_alike():
    """Rows of whole numbers, as coarse as bfloat16: every top_k cuts through a tie, and all its tokens stay.

    top_p is 1 here: which of the equal logits at its cut stay depends on the order of torch's unstable sort.
    """
    chooser = random.Random(6)
    for seed in range(200):
        row = [float(round(logit)) for logit in random_row(chooser, 97)]
        settings = SamplingSettings(temperature=chooser.choice([1, 0.7]), top_k=chooser.choice([0, 1, 20]), seed=seed)
        torch.manual_seed(seed)
        assert sample(row, settings, TorchGenerator(seed)) == transformers_draw(row, settings)


@pytest.fixture(scope="module", params=[(1000, torch.float32), (1000, torch.float64), (50257, torch.float32)], ids=str)
def model(request):
    vocab_size, dtype = request.param
    torch.manual_seed(1)
    config = transformers.GPT2Config(
        vocab_size=vocab_size, n_positions=80, n_embd=32, n_layer=2, n_head=4, initializer_range=0.4
    )
    return transformers.GPT2LMHeadModel(config).to(dtype).eval()


@pytest.mark.parametrize("settings", GENERATE_SETTINGS, ids=str)
def test_the_tokens_of_generate(model, settings):
    count = 12 if model.config.vocab_size > 40000 else 50
    output = _generate(model, settings, count)
    generator = TorchGenerator(settings.seed)
    rows = [row[0].tolist() for row in output.logits]
    assert [sample(row, settings, generator) for row in rows] == output.sequences[0, 3:].tolist()
    assert len(rows) == count
    assert generator.words(1)[0] % 2**31 == torch_word()


def _generate(model, settings, count):
    if settings.temperature == 0:
        options = {"do_sample": False}
    else:
        filters = {"temperature": float(settings.temperature), "top_k": settings.top_k, "top_p": settings.top_p}
        options = {"do_sample": True, **filters}
    torch.manual_seed(settings.seed)
    return model.generate(
        torch.tensor([[5, 7, 11]]),
        attention_mask=torch.ones(1, 3, dtype=torch.long),
        generation_config=transformers.GenerationConfig(
            max_new_tokens=count, return_dict_in_generate=True, output_logits=True, pad_token_id=0, **options
        ),
    )
