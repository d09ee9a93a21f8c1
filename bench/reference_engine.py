"""The reference engine on a GPT-2 of full size: opening, memory, and seconds per token at several positions.

    python bench/reference_engine.py [--model DIR] [--tokens 3]

Without --model, transformers writes a 124M checkpoint with seeded random weights into a temporary folder. The logits
of the first token are checked against transformers in float64 before anything is timed. Later positions are timed
against a cache of random keys and values: it takes as much time as a real one, and is filled in seconds.
"""

import argparse
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from starchart import GPT2  # noqa: E402
from starchart.engines import reference  # noqa: E402
from starchart.model.cache import Cache  # noqa: E402

IDS = [464, 3290]
# Prints the float64 logits after IDS, one a line; in a process of its own, so that torch's memory is not counted here.
TRUTH = """
import sys, torch
from transformers import GPT2LMHeadModel
model = GPT2LMHeadModel.from_pretrained(sys.argv[1], dtype=torch.float64).eval()
with torch.no_grad():
    print(*model(torch.tensor([[464, 3290]])).logits[0, -1].tolist(), sep="\\n")
"""
WRITE = """
import sys, torch
from transformers import GPT2Config, GPT2LMHeadModel
torch.manual_seed(0)
GPT2LMHeadModel(GPT2Config()).save_pretrained(sys.argv[1])
"""


def filled_cache(config, length, rng):
    """Return a cache of `length` random tokens."""
    layers = []
    for _ in range(config.n_layer):
        size = config.n_embd // config.n_head
        keys, values = (
            [[[rng.uniform(-1, 1) for _ in range(size)] for _ in range(length)] for _ in range(config.n_head)]
            for _ in range(2)
        )
        layers.append(reference.new_cache(config.n_head).append(keys, values))
    return Cache(length, tuple(layers))


def seconds_a_token(gpt2, position, tokens, rng):
    cache, times = filled_cache(gpt2.config, position, rng), []
    for _ in range(tokens):
        began = time.process_time()
        _, cache = gpt2.read([rng.randrange(gpt2.config.vocab_size)], cache)
        times.append(time.process_time() - began)
    return statistics.median(times)


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", metavar="DIR")
    parser.add_argument("--tokens", type=int, default=3, help="at each position; the median counts (default 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if options.model is None:
            subprocess.run([sys.executable, "-c", WRITE, temporary], check=True, stderr=subprocess.DEVNULL)
        folder = options.model or temporary
        print(f"{date.today()}, {platform.machine()}, CPython {platform.python_version()}, one process")
        began = time.perf_counter()
        gpt2 = GPT2.from_pretrained(folder)
        print(f"open                      {time.perf_counter() - began:8.2f} s, most memory {megabytes():6.0f} MB")
        truth = subprocess.run([sys.executable, "-c", TRUTH, folder], check=True, capture_output=True, text=True).stdout
        ours = gpt2.logits(IDS, last_only=True)[0]
        difference = max(abs(a - float(b)) for a, b in zip(ours, truth.split(), strict=True))
        print(f"logits against float64    {difference:8.1e}")
        if difference > 1e-10:
            return 1
        rng = random.Random(0)
        for position in (10, 250, 500, 1000):
            if position + options.tokens <= gpt2.config.n_positions:
                seconds = seconds_a_token(gpt2, position, options.tokens, rng)
                print(
                    f"a token at position {position:5} {seconds:8.2f} s, most memory {megabytes():6.0f} MB", flush=True
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
