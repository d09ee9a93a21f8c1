"""Generation: the same tokens as transformers' `generate`, and the same bits with and without a cache.

transformers runs in float64, as the reference engine does; both round logits to float32 before they draw.
"""

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from starchart.checkpoints.checkpoint import read_config
from starchart.generation.sampling import SamplingSettings, sample
from starchart.generation.torch_random import TorchGenerator
from starchart.gpt2 import GPT2
from starport.verify.check import Check, attempt, told
from starport.verify.distance import same_bits
from starport.verify.runs import prompt
from starport.verify.stand_ins import END_OF_TEXT, write_stand_in
from starport.verify.torch_gpt2 import load_transformers, torch_gpt2

COMPONENT = "generation"
GREEDY = SamplingSettings(temperature=0)
# For the given model: few tokens, since the reference engine is slow.
FEW = (GREEDY, SamplingSettings(0.8, 40, 0.95, 42), SamplingSettings(1.3, 0, 0.9, 7))
FEW_TOKENS = 8
# For a small random model. Its logits are almost equal, so every setting changes the tokens.
MANY = (
    GREEDY,
    SamplingSettings(seed=0),
    SamplingSettings(temperature=0.8, top_k=40, seed=42),
    SamplingSettings(temperature=0.7, top_k=5, seed=2**32 - 1),
    SamplingSettings(temperature=1.3, top_p=0.9, seed=7),
    SamplingSettings(temperature=0.8, top_k=40, top_p=0.95, seed=123456789),
    SamplingSettings(temperature=2.0, top_k=200, top_p=0.5, seed=2**40 + 6),
    SamplingSettings(top_p=0.3, seed=99),
    SamplingSettings(temperature=0.1, seed=31337),
    SamplingSettings(top_k=1, seed=5),
    SamplingSettings(temperature=1.1, top_k=50, top_p=0.99, seed=2026),
)
MANY_TOKENS = 30
DRAWS = 400


def checks(model: Path) -> Iterator[Check]:
    """Yield the checks of generation on the model in this folder, and on a small random one."""
    ids, count = _that_fit(prompt(model), read_config(model).n_positions)
    yield attempt(COMPONENT, "tokens", _tokens, model, ids, FEW, count, "tokens")
    with tempfile.TemporaryDirectory() as temporary:
        small = write_stand_in(Path(temporary) / "flat", 3)
        name = "tokens of a random model"
        yield attempt(COMPONENT, name, _tokens, small, (11, 7, 5), MANY, MANY_TOKENS, name)
        ending = write_stand_in(Path(temporary) / "ending", 3, eos_token_id=[*range(0, 261, 9)])
        yield attempt(COMPONENT, "end of text", _end_of_text, ending)
        yield attempt(COMPONENT, "draws", _draws)
        yield attempt(COMPONENT, "cache", _cached, small)
        yield attempt(COMPONENT, "more than the model reads", _sliding, small)


def _that_fit(ids: tuple[int, ...], positions: int) -> tuple[tuple[int, ...], int]:
    """Return as many of `ids`, and a number of new tokens, as fit into the context: 4 and 8 for most models.

    >>> _that_fit((5, 6, 7, 8, 9), 1024), _that_fit((5, 6, 7, 8), 8), _that_fit((5,), 1)
    (((5, 6, 7, 8), 8), ((5, 6, 7, 8), 4), ((5,), 1))
    """
    start = ids[: max(1, min(4, positions // 2))]
    return start, max(1, min(FEW_TOKENS, positions - len(start)))


def _tokens(model: Path, ids: Sequence[int], settings: Sequence[SamplingSettings], count: int, name: str) -> Check:
    """Compare new tokens with those of transformers' generate, for several settings."""
    theirs, total = load_transformers(model), 0
    fault = None
    with GPT2.from_pretrained(model) as ours:
        for s in settings:
            expected = generate(theirs, ids, s, count)
            total += len(expected)
            try:
                got = list(ours.generate(ids, max_new_tokens=count, **asdict(s)))
            except Exception as error:  # such as a filter that leaves no token
                fault = fault or f"{_told(s)}: {told(error)}"
                continue
            if got != expected and not fault:
                place = next((n for n, token in enumerate(expected) if got[n : n + 1] != [token]), len(expected))
                fault = f"token {place + 1} with {_told(s)} is {got[place:][:1]}, not {expected[place:][:1]}"
    finding = (
        fault or f"{total} tokens, greedy and {len(settings) - 1} ways of sampling: equal to transformers' generate"
    )
    return Check(COMPONENT, name, not fault, finding, {"tokens": total, "settings": len(settings), "fault": fault})


def generate(model: Any, ids: Sequence[int], settings: SamplingSettings, count: int) -> list[int]:
    """Return the new tokens of transformers' generate."""
    if settings.temperature == 0:
        options: dict[str, Any] = {"do_sample": False}
    else:
        filters = {"temperature": float(settings.temperature), "top_k": settings.top_k, "top_p": float(settings.top_p)}
        options = {"do_sample": True, **filters}
    torch.manual_seed(settings.seed or 0)
    eos = model.config.eos_token_id
    config = transformers.GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=count, eos_token_id=eos, pad_token_id=0, **options
    )
    tokens = model.generate(
        torch.tensor([list(ids)]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), generation_config=config
    )
    new: list[int] = tokens[0, len(ids) :].tolist()
    return new


def _end_of_text(model: Path) -> Check:
    """Compare where texts end, for a model with many end-of-text tokens."""
    theirs = load_transformers(model)
    seeds = range(20)
    with GPT2.from_pretrained(model) as ours:
        settings = [SamplingSettings(seed=seed) for seed in seeds]
        same = [
            list(ours.generate([1, 2], max_new_tokens=12, **asdict(s))) == generate(theirs, [1, 2], s, 12)
            for s in settings
        ]
    finding = f"{sum(same)} of {len(same)} texts end where transformers ends them"
    return Check(COMPONENT, "end of text", all(same), finding, {"texts": len(same), "same": sum(same)})


def _draws() -> Check:
    """Compare single draws from random rows with transformers' own filters and torch.multinomial."""
    chooser = random.Random(97)
    wrong: list[str] = []
    for seed in range(DRAWS):
        row, tied = _random_row(chooser, seed)
        s = SamplingSettings(
            temperature=chooser.choice([1, 0.7, 0.8, 1.3]),
            top_k=chooser.choice([0, 0, 1, 2, 5, 40, 999]),
            # Which of equal logits top-p keeps depends on torch's sort, which is not stable.
            top_p=1 if tied else chooser.choice([1, 1, 0.9, 0.5, 0.1, 0.999]),
            seed=seed,
        )
        torch.manual_seed(seed)
        generator = TorchGenerator(seed)
        theirs = _filtered(row, s).softmax(-1)
        expected = [int(torch.multinomial(theirs, 1)) for _ in range(3)]
        try:
            tokens = [sample(row, s, generator) for _ in range(3)]
        except Exception as error:  # such as a filter that leaves no token
            wrong.append(f"{_told(s)} {told(error)}")
            continue
        if tokens != expected:
            wrong.append(_told(s))
    finding = f"{3 * DRAWS} draws from random rows, each with its own settings: equal to torch.multinomial"
    if wrong:
        finding = f"{len(wrong)} of {DRAWS} rows give other draws than torch.multinomial; the first: {wrong[0]}"
    return Check(COMPONENT, "draws", not wrong, finding, {"rows": DRAWS, "wrong": len(wrong)})


def _random_row(chooser: random.Random, seed: int) -> tuple[list[float], bool]:  # -> [97]
    """Return logits, and whether some are equal: integers, numbers that differ only in the last bits, or others."""
    if seed % 4 == 0:
        return [3.0 + chooser.randrange(100) / (1 << 22) for _ in range(97)], True
    centre, spread = chooser.choice([0.0, -100.0, 30.0]), chooser.choice([0.01, 1.0, 3.0])
    row = [chooser.gauss(centre, spread) for _ in range(97)]
    return ([float(round(logit)) for logit in row], True) if seed % 4 == 1 else (row, False)


def _filtered(row: list[float], s: SamplingSettings) -> Any:  # [V] -> [1][V]
    scores = torch.tensor([row], dtype=torch.float64).float()
    if s.temperature != 1:
        scores = TemperatureLogitsWarper(float(s.temperature))(None, scores)
    if s.top_k:
        scores = TopKLogitsWarper(s.top_k)(None, scores)
    return TopPLogitsWarper(float(s.top_p))(None, scores) if s.top_p < 1 else scores


def _cached(model: Path) -> Check:
    """Compare the rows of logits during generation with those of the whole text read at once."""
    ids, count = [(13 * n + 5) % END_OF_TEXT for n in range(21)], 15  # 21: more tokens than are read at once
    with GPT2.from_pretrained(model) as gpt2:
        steps = [(step.token, step.logits) for step in gpt2.steps(ids, SamplingSettings(seed=1), max_new_tokens=count)]
        rows = gpt2.logits([*ids, *(token for token, _ in steps)], tap=lambda _, value: value)
    different = [n for n, (_, row) in enumerate(steps) if not same_bits(row, rows[len(ids) - 1 + n])]
    finding = f"{len(steps)} rows of logits with the cache: the same bits as all tokens read at once"
    if different:
        which = f"the first is that of new token {different[0] + 1}"
        finding = f"with a cache, {len(different)} of {len(steps)} rows have different bits; {which}"
    return Check(COMPONENT, "cache", not different, finding, {"rows": len(steps), "different": len(different)})


def _sliding(model: Path) -> Check:
    """Compare a greedy text longer than the context with PyTorch, which reads the last half again when it is full."""
    full, ids, count = 40, [(17 * n + 3) % END_OF_TEXT for n in range(30)], 35
    with GPT2.from_pretrained(model) as gpt2:
        ours = list(gpt2.generate(ids, max_new_tokens=count, temperature=0, on_full="slide"))
    window, theirs = list(ids), list[int]()
    while len(theirs) < len(ours):
        theirs.append(int(torch_gpt2(model, window)["logits"][-1].argmax()))
        window = (window + theirs[-1:])[-full // 2 :] if len(window) == full else window + theirs[-1:]
    same = ours == theirs and len(ours) in (count, ours.index(END_OF_TEXT) + 1 if END_OF_TEXT in ours else count)
    finding = f"{len(ours)} greedy tokens with a context of {full}: " + (
        "equal to PyTorch, which reads the last half again"
        if same
        else "not equal to PyTorch, which reads the last half again"
    )
    return Check(COMPONENT, "more than the model reads", same, finding, {"tokens": len(ours)})


def _told(s: SamplingSettings) -> str:
    return f"temperature {s.temperature:g}, top-k {s.top_k}, top-p {s.top_p:g}, seed {s.seed}"
