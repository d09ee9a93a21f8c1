"""Published facts about OpenAI's checkpoints, checked on those in the Hugging Face cache and that of --model."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from heapq import nlargest
from math import exp, fsum, inf, prod
from pathlib import Path
from typing import Any

from starchart import GPT2, Tokenizer
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.files.regular_file import read_regular_file
from starchart.generation.sampling import SamplingSettings
from starport.hub.find_model import cached_model
from starport.hub.needed_files import missing_files
from starport.terminal.given_text import decoded_text
from starport.verify.check import Check, Value
from starport.verify.published_facts import (
    CONTINUATIONS,
    PARAMETERS,
    PERPLEXITIES,
    Continuation,
    Parameters,
    Perplexity,
)

COMPONENT = "published"
NAMES = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
WINDOW = 1024
# Two digits are published, and others average the last, shorter window differently.
_PERPLEXITY_TOLERANCE = 0.02


def checks(model: Path, text: Path | None = None) -> Iterator[Check]:
    """Yield a check per fact and available checkpoint; `text` is the file of the raw WikiText-2 test set."""
    found = official_models(model)
    if not found:
        places = f"looked for {', '.join(NAMES)} in the Hugging Face cache and in the folder that --model names"
        yield Check(COMPONENT, "facts", True, "not run: no official weights here", note=places, run=False)
    for name, folder in found.items():
        for parameters in PARAMETERS:
            if parameters.model == name:
                yield parameters_check(parameters, count_numbers(load_checkpoint(folder)[1]))
        yield from _continuations(name, folder)
        for perplexity in PERPLEXITIES:
            if text and perplexity.model == name:
                contents = decoded_text(read_regular_file(text), str(text)).replace("\r\n", "\n")
                yield perplexity_check(perplexity, perplexity_of(folder, contents, perplexity.stride))


def official_models(model: Path) -> dict[str, Path]:
    """Return OpenAI's checkpoints by name: complete ones in the cache, and `model` if its folder has such a name."""
    cached = {name: cached_model(name) for name in NAMES}
    found = {name: folder for name, folder in cached.items() if folder and not missing_files(folder)}
    given = model.resolve()
    return found | {given.name: given} if given.name in NAMES else found


def count_numbers(weights: Any) -> int:
    """Return how many numbers a tree of weights holds."""
    if isinstance(weights, StoredTensor):
        return prod(weights.shape)
    if is_dataclass(weights):
        return sum(count_numbers(getattr(weights, field.name)) for field in fields(weights))
    if isinstance(weights, tuple):
        return sum(map(count_numbers, weights))
    return 0 if weights is None else len(weights)


def parameters_check(fact: Parameters, count: int) -> Check:
    """Return the check that a model has as many parameters as published."""
    unit = "" if fact.unit == 1 else " million"
    passed = round(count / fact.unit) == fact.count
    finding = f"{count:,}; published: {fact.count:,}{unit} ({fact.source})"
    return Check(COMPONENT, f"{fact.model}: parameters{unit and ', millions'}", passed, finding, {"count": count})


def _continuations(name: str, folder: Path) -> Iterator[Check]:
    facts = [fact for fact in CONTINUATIONS if fact.model == name]
    if facts:
        tokenizer = Tokenizer.from_pretrained(folder)
        with GPT2.from_pretrained(folder, "packed") as gpt2:
            for fact in facts:
                yield continuation_check(fact, gpt2, tokenizer)


def continuation_check(fact: Continuation, gpt2: GPT2, tokenizer: Tokenizer) -> Check:
    """Return the check that the greedy tokens after a prompt are the published ones.

    Its margin is the smallest difference between the two largest logits: rounding errors below it change no token.
    """
    prompt = tokenizer.encode(fact.prompt) if isinstance(fact.prompt, str) else fact.prompt
    expected = tokenizer.encode(fact.expected) if isinstance(fact.expected, str) else fact.expected
    told, margin = _greedy(gpt2, prompt, len(expected))
    as_text = isinstance(fact.expected, str)
    passed = tokenizer.decode(told) == fact.expected if as_text else told == list(expected)
    finding = f"{len(told)} tokens as published ({fact.source}); no two logits closer than {margin:.3g}"
    if not passed:
        both = f"{tokenizer.decode(told)!r}, published: {tokenizer.decode(expected)!r}"
        finding = f"{both} ({fact.source}); closest logits {margin:.3g}"
    values: dict[str, Value] = {"told": " ".join(map(str, told)), "smallest_margin": margin, "source": fact.source}
    return Check(COMPONENT, f"{fact.model}: {fact.name}", passed, finding, values)


def _greedy(gpt2: GPT2, prompt: Sequence[int], count: int) -> tuple[list[int], float]:
    told, margin = [], inf
    for step in gpt2.steps(prompt, SamplingSettings(temperature=0.0), max_new_tokens=count):
        best, second = nlargest(2, step.logits)
        told.append(step.token)
        margin = min(margin, best - second)
    return told, margin


def perplexity_of(folder: Path, text: str, stride: int = WINDOW) -> float:
    """Return the perplexity per token of a text, on the torch engine, in windows that start `stride` tokens apart.

    The first token of the text is not predicted. If windows do not overlap, the first token of each window is not.
    """
    from starport.engines.tensors import default_device  # noqa: PLC0415  these import PyTorch
    from starport.engines.torch_engine import TorchEngine  # noqa: PLC0415

    ids = Tokenizer.from_pretrained(folder).encode(text)
    with GPT2.from_pretrained(folder, TorchEngine(default_device(), "float32")) as gpt2:
        window = min(WINDOW, gpt2.config.n_positions)
        logs: list[float] = []
        reached = 0
        for start in range(0, len(ids), min(stride, window)):
            part = ids[start : start + window]
            new = min(start + len(part) - reached, len(part) - 1)
            logs += list(gpt2.log_probabilities(part))[-new:] if new else []
            reached = start + len(part)
            if reached == len(ids):
                break
    return exp(-fsum(logs) / len(logs))


def perplexity_check(fact: Perplexity, value: float) -> Check:
    """Return the check that a perplexity is the published one."""
    passed = abs(value - fact.value) <= _PERPLEXITY_TOLERANCE
    finding = f"{value:.3f}; published: {fact.value} ({fact.source})"
    return Check(COMPONENT, f"{fact.model}: WikiText-2, stride {fact.stride}", passed, finding, {"perplexity": value})
