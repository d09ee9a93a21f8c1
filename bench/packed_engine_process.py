"""One measurement of the packed engine in a process of its own, for bench/packed_engine.py: JSON in, JSON out."""

import json
import platform
import re
import statistics
import sys
import time
from operator import add, mul
from pathlib import Path
from types import SimpleNamespace

BEGAN = time.perf_counter()
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from starchart import GPT2  # noqa: E402  the path is set first
from starchart.checkpoints.stored_tensor import rows_of  # noqa: E402
from starchart.engines import reference  # noqa: E402
from starchart.engines.layout import lay_out_matrices  # noqa: E402
from starchart.engines.packed.arithmetic.lanes import FAST, FULL  # noqa: E402
from starchart.engines.packed.pack_cache import PackCache  # noqa: E402
from starchart.engines.packed.packed_engine import PackedEngine  # noqa: E402


def packed(options):
    cache = PackCache(Path(options["cache"]), 40 * 10**9)
    precision = {"full": FULL, "fast": FAST}[options["precision"]]
    return GPT2.from_pretrained(options["folder"], PackedEngine(precision, options["workers"], cache))


def decode(options):
    """Return the median seconds per token, for all logits or the largest `count`, at early and late positions."""
    with packed(options) as gpt2:
        seconds, cache = timed_tokens(gpt2, gpt2.read([5] * 10)[1], options["tokens"], options["count"])
        position = options.get("position")
        late = None
        if position:
            position = min(position, gpt2.config.n_positions - options["tokens"])
            cache = gpt2.read([7] * (position - cache.length), cache)[1]
            late, _ = timed_tokens(gpt2, cache, options["tokens"], options["count"])
    return {"seconds": seconds, "late": late, "python": platform.python_version()}


def timed_tokens(gpt2, cache, tokens, count):
    times = []
    for token in range(tokens):
        began = time.perf_counter()
        logits, cache = gpt2._read_last([token], cache)
        logits.top(count)
        times.append(time.perf_counter() - began)
    return statistics.median(times), cache


def plain(options):
    """Return the median seconds per token with plain lists: `sum(map(mul, row, column))`, and a cache."""

    def prepare(weights, _):
        return lay_out_matrices(
            weights,
            lambda _, matrix: [list(column) for column in zip(*rows_of(matrix), strict=True)],
            lambda _, table: [list(row) for row in rows_of(table)],
        )

    def linear(x, weight, bias):
        return [list(map(add, [sum(map(mul, row, column)) for column in weight], bias)) for row in x]

    def output_projection(x, table, last_only):
        return [[sum(map(mul, row, token)) for token in table] for row in (x[-1:] if last_only else x)]

    operations = {name: getattr(reference, name) for name in reference.__all__}
    operations.update(prepare=prepare, linear=linear, output_projection=output_projection)
    gpt2 = GPT2.from_pretrained(options["folder"], SimpleNamespace(**operations))
    return {"seconds": timed_tokens(gpt2, gpt2.read([5])[1], options["tokens"], 0)[0]}


def start(options):
    """Return the seconds to open the model, from then to the first token of a prompt of 4, and the memory."""
    began = time.perf_counter()
    with packed(options) as gpt2:
        opened = time.perf_counter() - began
        cache = gpt2.read([1, 2, 3, 4])[1]
        first = time.perf_counter() - BEGAN
        gpt2.read([5], cache)
        pids = ["self", *(worker.pid for worker in gpt2._engine._group._workers)]
        megabytes = sum(map(proportional_set_size, pids))
    return {"open": opened, "first token": first, "megabytes": megabytes}


def proportional_set_size(pid):
    try:
        return int(re.search(r"Pss:\s*(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text())[1]) / 1024
    except OSError:  # only Linux has it
        return float("nan")


def prompt(options):
    with packed(options) as gpt2:
        began = time.perf_counter()
        gpt2.read([7] * options["tokens"])
        return {"seconds": time.perf_counter() - began}


def logits(options):
    with packed(options) as gpt2:
        return {"logits": gpt2.logits(options["ids"])}


if __name__ == "__main__":
    OPTIONS = json.loads(sys.argv[1])
    MEASUREMENTS = {"decode": decode, "plain": plain, "start": start, "prompt": prompt, "logits": logits}
    print(json.dumps(MEASUREMENTS[OPTIONS["what"]](OPTIONS)))
