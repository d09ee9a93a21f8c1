"""The packed engine beside transformers in float32 and the reference engine: time, memory and error.

    python bench/packed_engine.py [--model DIR] [--tokens 20] [--position 250] [--precision full fast]

Without --model, transformers writes a 124M checkpoint with seeded random weights. Errors are those of the logits after
a prompt of 16 tokens, against transformers in float64. Each of our engines is one process; transformers has its cache,
eager attention and all cores. Later positions are timed after a prompt of that length.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import torch
import transformers
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

# Opens and times one engine in a process of its own, so that its memory is its own.
OURS = """
import json, re, statistics, sys, time
sys.path.insert(0, sys.argv[1])
from starchart import GPT2
folder, engine, precision, ids, tokens, position = json.loads(sys.argv[2])
began = time.perf_counter()
gpt2 = GPT2.from_pretrained(folder, engine, precision=precision)
opened = time.perf_counter() - began
logits, cache = gpt2.read(ids, last_only=False)
def seconds(cache):
    times = []
    for token in range(tokens):
        began = time.perf_counter()
        _, cache = gpt2.read([token], cache)
        times.append(time.perf_counter() - began)
    return statistics.median(times), cache
early, cache = seconds(cache)
late = None
if position:
    _, cache = gpt2.read([7] * (position - cache.length), cache)
    late, _ = seconds(cache)
try:
    peak = int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024
except OSError:  # only Linux says it so simply
    peak = float("nan")
print(json.dumps([opened, early, late, peak, logits]))
"""


def rms(difference):
    return difference.pow(2).mean().sqrt().item()


def divergence(truth, other):
    """Return the mean Kullback-Leibler divergence of a token, in nats."""
    p, q = truth.log_softmax(-1), other.log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).mean().item()


def their_seconds(model, ids, tokens):
    """Return the median seconds of a token of transformers, with its cache."""
    cache, times = DynamicCache(config=model.config), []
    with torch.no_grad():
        model(torch.tensor([ids]), past_key_values=cache, use_cache=True)
        for token in range(tokens):
            began = time.perf_counter()
            model(torch.tensor([[token]]), past_key_values=cache, use_cache=True)
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def ours(*arguments):
    command = [sys.executable, "-c", OURS, str(ROOT / "src"), json.dumps(arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def run(folder, precisions, tokens, position):
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
    ids = torch.randint(model.config.vocab_size, (16,), generator=torch.Generator().manual_seed(1)).tolist()
    position = min(position, model.config.n_positions - tokens)
    with torch.no_grad():
        truth = model(torch.tensor([ids])).logits[0]
        model = model.float()
        theirs = model(torch.tensor([ids])).logits[0].double()
    speed = their_seconds(model, ids, tokens)
    print("                       open   s/token    x HF   at position   x early      MB   rms error    KL (nats)")
    error = f"{rms(theirs - truth):11.1e} {divergence(truth, theirs):12.1e}"
    print(f"transformers float32         {speed:9.4f}    1.00{'':31} {error}", flush=True)
    runs = [("packed", precision, tokens, position) for precision in precisions] + [("reference", "full", 2, 0)]
    for engine, precision, count, late_position in runs:
        opened, early, late, megabytes, logits = ours(str(folder), engine, precision, ids, count, late_position)
        logits = torch.tensor(logits, dtype=torch.float64)
        error = f"{rms(logits - truth):11.1e} {abs(divergence(truth, logits)):12.1e}"
        late_part = f"{late:7.4f} at {late_position:4} {late / early:8.2f}" if late else " " * 24
        times = f"{opened:7.1f} {early:9.4f} {early / speed:7.2f} {late_part}"
        print(f"{engine + ' ' + precision:20} {times} {megabytes:7.0f} {error}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", metavar="DIR")
    parser.add_argument("--tokens", type=int, default=20, help="timed for the median (default 20)")
    parser.add_argument("--position", type=int, default=250, help="of the later tokens (default 250)")
    parser.add_argument("--precision", nargs="+", default=["full", "fast"], choices=["full", "fast"])
    options = parser.parse_args()
    print(
        f"{date.today()}, {platform.machine()}, {torch.get_num_threads()} cores for torch, CPython"
        f" {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        if options.model is None:
            torch.manual_seed(0)
            GPT2LMHeadModel(GPT2Config()).save_pretrained(temporary)
        run(options.model or temporary, options.precision, options.tokens, options.position)
    return 0


if __name__ == "__main__":
    sys.exit(main())
