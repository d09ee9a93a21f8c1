"""Same seed, same tokens: our text against transformers' `generate`, token for token.

    python bench/same_tokens.py [--model DIR ...] [--tokens 200] [--greedy 500]

Runs ten settings of temperature, top_k, top_p and seed, each for --tokens tokens, and greedy; without --model for two
tiny random models, and for tales-6m where the shared data is there. Both sides compute in float64. Where a token
differs, both sides continue with transformers' token (teacher forcing), and the difference counts as a near-tie only if
our winner's lead, log(p/q), is below 4 max|logit difference| / T, or one of the two tokens lies that close to the cut
of a filter.
"""

import argparse
import platform
import sys
import tempfile
from datetime import date
from math import log, log1p
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from starchart import GPT2  # noqa: E402
from starchart.generation.sampling import SamplingSettings, sample  # noqa: E402
from starchart.generation.torch_random import TorchGenerator  # noqa: E402
from tests.data import DATA  # noqa: E402
from tests.random_gpt2 import write_random_gpt2  # noqa: E402

PROMPT = [11, 7, 5]

SETTINGS = [
    SamplingSettings(temperature=1.0, seed=0),
    SamplingSettings(temperature=0.8, top_k=40, seed=42),
    SamplingSettings(temperature=0.7, top_k=5, seed=2**32 - 1),
    SamplingSettings(temperature=1.3, top_p=0.9, seed=7),
    SamplingSettings(temperature=0.8, top_k=40, top_p=0.95, seed=123456789),
    SamplingSettings(temperature=2.0, top_k=200, top_p=0.5, seed=1),
    SamplingSettings(temperature=1.0, top_p=0.3, seed=99),
    SamplingSettings(temperature=0.5, seed=31337),
    SamplingSettings(temperature=1.0, top_k=1, seed=5),
    SamplingSettings(temperature=1.1, top_k=50, top_p=0.99, seed=2026),
]


def theirs(model, ids, settings, count):
    """Return the new tokens of transformers, and its raw logits [count][V] in float32."""
    transformers.set_seed(settings.seed or 0)
    greedy = settings.temperature == 0
    sampled = {"temperature": settings.temperature, "top_k": settings.top_k, "top_p": settings.top_p}
    out = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=count,
        eos_token_id=None,
        do_sample=not greedy,
        return_dict_in_generate=True,
        output_logits=True,
        **({} if greedy else sampled),
    )
    return out.sequences[0, len(ids) :].tolist(), torch.cat(out.logits)


def compare(gpt2, model, ids, settings, count, ours_with=None):
    """Return (tokens, of them equal, near-ties, defects). `ours_with`: other settings on our side, to test this."""
    ours_with = ours_with or settings
    tokens, logits = theirs(model, ids, settings, count)
    generator = TorchGenerator(ours_with.seed or 0)
    rows, cache = gpt2.read(ids)
    equal = near = 0
    for step, token in enumerate(tokens):
        ours = sample(rows[-1], ours_with, generator)
        if ours == token:
            equal += 1
        else:
            before = TorchGenerator(settings.seed or 0)
            for _ in range(step):
                before.words(2 * gpt2.config.vocab_size)
            near += is_near_tie(rows[-1], logits[step], ours, token, settings, before)
        if step + 1 < len(tokens):
            rows, cache = gpt2.read([token], cache)
    return len(tokens), equal, near, len(tokens) - equal - near


def is_near_tie(row, their_row, ours, token, settings, generator):
    """Return whether the difference of the logits can explain two different tokens."""
    ours32, t = torch.tensor(row).to(torch.float32), settings.temperature or 1.0
    bound = 4 * (ours32 - their_row).abs().max().item() / t
    times = (
        exponential_times(generator, len(row)) if settings.temperature else torch.ones(len(row), dtype=torch.float64)
    )
    lead = (row[ours] - row[token]) / t - log(times[ours]) + log(times[token])
    return 0 <= lead <= bound or any(near_cut(ours32.double() / t, index, settings, bound) for index in (ours, token))


def exponential_times(generator, count):
    words = generator.words(2 * count)
    return torch.tensor([-log1p(-((words[i] & 0x1FFFFF) << 32 | words[i + 1]) / 2**53) for i in range(0, 2 * count, 2)])


def near_cut(scores, index, settings, bound):
    """Return whether a token lies within `bound` of the boundary of top-k or top-p."""
    if settings.top_k and abs(scores[index] - scores.topk(settings.top_k).values[-1]) <= bound:
        return True
    if settings.top_p == 1:
        return False
    kept = scores.topk(settings.top_k or len(scores)).values
    order = kept.sort().values
    cumulated = order.softmax(-1).cumsum(-1)
    cut = order[(cumulated <= 1 - settings.top_p).sum().clamp(max=len(order) - 1)]
    return abs(scores[index] - cut) <= bound


def run(folder, tokens, greedy):
    """Print a table for one model and return the number of defects."""
    gpt2 = GPT2.from_pretrained(folder)
    model = transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64).eval()
    runs = [(SamplingSettings(temperature=0), greedy)] * bool(greedy) + [(settings, tokens) for settings in SETTINGS]
    config = gpt2.config
    print(f"{Path(folder).name}: vocabulary {config.vocab_size}, {config.n_layer} layers of {config.n_embd} channels")
    print("temperature  top_k  top_p        seed  tokens  equal  near-ties  defects")
    total = [0, 0, 0, 0]
    for settings, count in runs:
        result = compare(gpt2, model, PROMPT, settings, count)
        total = [a + b for a, b in zip(total, result, strict=True)]
        seed = "-" if settings.seed is None else settings.seed
        print(f"{settings.temperature:11} {settings.top_k:6} {settings.top_p:6} {seed:>11}", row_of(result), flush=True)
    print(f"{'in all':>37}", row_of(total))
    return total[3]


def row_of(numbers):
    return "{:7} {:6} {:10} {:8}".format(*numbers)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", metavar="DIR")
    parser.add_argument("--tokens", type=int, default=200, help="a setting (default 200)")
    parser.add_argument("--greedy", type=int, default=500, help="tokens of greedy text (default 500)")
    options = parser.parse_args()
    print(
        f"{date.today()}, {platform.machine()}, CPython {platform.python_version()}, torch {torch.__version__},"
        f" transformers {transformers.__version__}, reference engine"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folders = options.model or [*random_models(Path(temporary)), *filter(Path.is_dir, [DATA / "models/tales-6m"])]
        return 1 if sum(run(folder, options.tokens, options.greedy) for folder in folders) else 0


def random_models(folder):
    """Write the two tiny random models and return their folders."""
    sizes = {"n_positions": 520, "n_embd": 16, "n_head": 2}
    write_random_gpt2(folder / "random-1000", seed=1, vocab_size=1000, **sizes)
    write_random_gpt2(folder / "random-50257", seed=2, vocab_size=50257, n_layer=1, **sizes)
    return [folder / "random-1000", folder / "random-50257"]


if __name__ == "__main__":
    sys.exit(main())
