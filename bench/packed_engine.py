"""The packed engine beside transformers in float32 and plain Python: time, memory and error, in one run.

    python bench/packed_engine.py [--size 124M|medium|xl] [--parts speed starts errors] [--tokens 20]
        [--position 1000] [--tales DIR] [--python PATH...]

transformers writes a checkpoint of that size with seeded random weights. Every engine runs in a process of its own;
transformers has its cache, eager attention and all cores. Times are medians; that of transformers is measured before
each of ours and after, and the ratio is to the mean of the two. "the plain way" is the reference engine with
`sum(map(mul, row, column))` for every dot product. --python: other Pythons to time ours on.
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
IN_A_PROCESS = ROOT / "bench" / "packed_engine_process.py"
SIZES = {
    "124M": {},
    "medium": {"n_embd": 1024, "n_layer": 24, "n_head": 16},
    "xl": {"n_embd": 1600, "n_layer": 48, "n_head": 25},
}
OUTLIERS = {11: 50.0, 138: 120.0, 378: 200.0, 447: 350.0, 700: 500.0}  # channel: how many times larger


def write_checkpoint(folder, size, outliers=None):
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(**SIZES[size]))
    with torch.no_grad():
        for channel, factor in (outliers or {}).items():
            model.transformer.wte.weight[:, channel] *= factor
            model.transformer.wpe.weight[:, channel] *= factor
    model.save_pretrained(folder)
    return folder


class Theirs:
    """transformers in float32."""

    def __init__(self, folder, tokens):
        self.model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        self.tokens = tokens

    @torch.no_grad()
    def seconds(self):
        cache, times = DynamicCache(config=self.model.config), []
        self.model(torch.tensor([[5] * 16]), past_key_values=cache, use_cache=True)
        for token in range(self.tokens):
            began = time.perf_counter()
            self.model(torch.tensor([[token]]), past_key_values=cache, use_cache=True)
            times.append(time.perf_counter() - began)
        return statistics.median(times)


def ours(what, folder, cache, python=sys.executable, **options):
    """Return what bench/packed_engine_process.py measures in a process of its own."""
    arguments = json.dumps({"what": what, "folder": str(folder), "cache": str(cache), **options})
    done = subprocess.run([python, str(IN_A_PROCESS), arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def compare(theirs, name, measure):
    """Print seconds per token and the ratio to transformers, measured before and after."""
    before = theirs.seconds()
    seconds = measure()
    ratio = seconds / ((before + theirs.seconds()) / 2)
    print(f"{name:58} {seconds:8.4f} s   {ratio:7.2f} x transformers", flush=True)
    return seconds


def speed(folder, cache, tokens, position, in_prompt):
    theirs = Theirs(folder, tokens)
    print(f"{'transformers float32':58} {theirs.seconds():8.4f} s")
    seconds = {}
    for precision in ("full", "fast"):
        for workers in (2, 1):
            for count, what in ((0, "all logits"), (1, "greedy"), (40, "top 40")):
                if count and (precision == "fast" or workers == 1):
                    continue  # fast prunes no candidates: they are the same
                options = {"precision": precision, "workers": workers, "tokens": tokens, "count": count}
                name = f"packed {precision}, {workers} workers, {what}"
                seconds[name] = compare(theirs, name, lambda o=options: ours("decode", folder, cache, **o)["seconds"])
    if position:
        plain = compare(theirs, "the plain way", lambda: ours("plain", folder, cache, tokens=3)["seconds"])
        gain = plain / seconds["packed full, 2 workers, all logits"]
        print(f"{'full, 2 workers, against the plain way':58} {gain:8.2f} x")
        late = ours("decode", folder, cache, precision="full", workers=2, tokens=tokens, count=0, position=position)
        print(f"{f'full, a token at position {position} against one at 10':58} {late['late'] / late['seconds']:8.2f} x")
    prompt = ours("prompt", folder, cache, precision="full", workers=2, tokens=in_prompt)
    print(f"{'full, 2 workers, tokens of a prompt':58} {in_prompt / prompt['seconds']:8.2f} a second")


def starts(folder, temporary):
    cache = Path(temporary) / "starts"
    for precision in ("full", "fast"):
        first = ours("start", folder, cache / precision, precision=precision, workers=2)
        again = [ours("start", folder, cache / precision, precision=precision, workers=2) for _ in range(3)]
        later = statistics.median(run["first token"] for run in again)
        print(f"{f'{precision}, first start: packing':58} {first['open']:8.2f} s")
        print(f"{f'{precision}, later start, to the first token of 4':58} {later:8.2f} s   (with Python's own start)")
        print(f"{f'{precision}, memory while running (PSS of all processes)':58} {again[0]['megabytes']:8.0f} MB")


def errors(name, folder, cache, ids):
    """Print the error of the logits against transformers in float64, ours beside that of transformers in float32."""
    logits = {}
    for dtype in (torch.float64, torch.float32):
        model = GPT2LMHeadModel.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()
        with torch.no_grad():
            logits[dtype] = model(torch.tensor([ids])).logits[0].double()
    truth = logits[torch.float64]
    rms = (logits[torch.float32] - truth).pow(2).mean().sqrt().item()
    print(f"{f'{name}: transformers float32':40} rms {rms:.2e}")
    for precision in ("full", "fast"):
        row = ours("logits", folder, cache, precision=precision, workers=2, ids=ids)["logits"]
        own = torch.tensor(row, dtype=torch.float64)
        error = (own - truth).pow(2).mean().sqrt().item()
        p, q = truth.log_softmax(-1), own.log_softmax(-1)
        nats = (p.exp() * (p - q)).sum(-1).mean().item()
        ratio = f"{error / rms:9.3g} x float32; {abs(nats):.1e} nats per token"
        print(f"{f'{name}: packed {precision}':40} rms {error:.2e}, {ratio}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="124M")
    parser.add_argument("--parts", nargs="+", default=["speed", "starts", "errors"], metavar="PART")
    parser.add_argument("--tokens", type=int, default=20, help="timed for each median (default 20)")
    parser.add_argument("--position", type=int, default=1000, help="of the later tokens, for 124M (default 1000)")
    parser.add_argument("--tales", metavar="DIR", help="a trained checkpoint to measure the errors of too")
    parser.add_argument("--python", nargs="*", default=[], metavar="PATH", help="other Pythons to time ours on")
    options = parser.parse_args()
    print(
        f"{date.today()}, {platform.machine()}, {torch.get_num_threads()} cores for torch, CPython"
        f" {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__};"
        f" {options.size}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder, cache = write_checkpoint(f"{temporary}/model", options.size), f"{temporary}/cache"
        small = options.size == "124M"
        if "speed" in options.parts:
            speed(folder, cache, options.tokens, options.position * small, 128 if small else 16)
        for python in options.python:
            run = ours("decode", folder, cache, python, precision="full", workers=2, tokens=options.tokens, count=0)
            print(f"{'full, 2 workers, CPython ' + run['python']:58} {run['seconds']:8.4f} s")
        if "starts" in options.parts:
            starts(folder, temporary)
        if "errors" not in options.parts:
            return 0
        ids = torch.randint(50257, (24,), generator=torch.Generator().manual_seed(1)).tolist()
        errors(options.size, folder, cache, ids)
        if small:
            errors("outlier channels", write_checkpoint(f"{temporary}/outliers", "124M", OUTLIERS), cache, ids)
        if options.tales:
            errors("tales", options.tales, cache, [token % 4096 for token in ids])
    return 0


if __name__ == "__main__":
    sys.exit(main())
