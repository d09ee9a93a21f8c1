"""The truth of the sampling tests: one draw by transformers' own processors and torch.multinomial, in float32."""

import random

import torch
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from starchart.generation.sampling import SamplingSettings


def transformers_draw(logits: list[float], settings: SamplingSettings) -> int:
    return torch.multinomial(transformers_filter(logits, settings).softmax(-1), 1).item()


def transformers_filter(logits: list[float], settings: SamplingSettings) -> torch.Tensor:  # [V] -> [1][V]
    scores = torch.tensor([logits], dtype=torch.float64).to(torch.float32)
    if settings.temperature != 1:
        scores = TemperatureLogitsWarper(float(settings.temperature))(None, scores)
    if settings.top_k:
        scores = TopKLogitsWarper(settings.top_k)(None, scores)
    if settings.top_p < 1:
        scores = TopPLogitsWarper(float(settings.top_p))(None, scores)
    return scores


def torch_word() -> int:
    """Return the low 31 bits of torch's next random word."""
    return torch.empty(1, dtype=torch.int32).random_().item()


def random_row(generator: random.Random, size: int) -> list[float]:
    """Return logits as a model has them: flat or peaked, around 0 or around -100. Ties in float32 are rare in them."""
    centre, spread = generator.choice([0.0, -100.0, 30.0]), generator.choice([0.01, 1.0, 3.0, 10.0])
    return [generator.gauss(centre, spread) for _ in range(size)]


def random_settings(generator: random.Random) -> SamplingSettings:
    return SamplingSettings(
        temperature=generator.choice([1, 0.7, 0.8, 1.3, 2.0]),
        top_k=generator.choice([0, 0, 1, 2, 5, 40, 999]),
        top_p=generator.choice([1, 1, 0.9, 0.5, 0.1, 0.999]),
        seed=generator.choice([0, 42, 2**32 + 5, -3, generator.randrange(2**64)]),
    )
