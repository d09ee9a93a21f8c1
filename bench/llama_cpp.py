"""llama.cpp runs what `starchart convert --format gguf` writes: the same tokens, and how far its logits are from ours.

    python bench/llama_cpp.py [--model DIR ...] [--tokens 32]

Needs llama-cpp-python (`pip install llama-cpp-python`), which compiles llama.cpp; so it is not in
requirements.txt. Without --model it takes towel, and tales-6m where the shared data is there.

llama.cpp continues each prompt greedily, one token at a time. Our reference engine then reads the same tokens, with the
model from which the file was converted. At every position its most probable token should be llama.cpp's; if not, the
difference of our two logits is printed. The exit code is 1 if a token differs with weights and cache in float32, or if
a logit differs by more than the bound of a run.

llama.cpp computes GELU with a table whose arguments and results have half precision. "With its GELU" is the distance
from our engine with the same table. That distance has three causes: llama.cpp's float32, narrower types of the weights
and of the cache, and arguments that float32 rounds to another entry of the table.
"""

import argparse
import math
import os
import platform
import struct
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT / "src"), str(ROOT)]  # in place of this folder, where this file has the library's name

import llama_cpp  # noqa: E402
import numpy as np  # noqa: E402

from starchart import GPT2, Tokenizer  # noqa: E402
from starchart.box.boxed_model import model_folder  # noqa: E402
from starport.conversion.convert import Conversion  # noqa: E402

PROMPTS = ["Once upon a time", "The fox said to the crow: \"I don't", "In the  year 1801, über den Wolken"]
F32, F16 = 0, 1  # ggml's types, for the cache
RUNS = [("f32", F32, 0.01), ("f32", F16, 0.03), ("f16", F32, 0.03), ("bf16", F32, 0.3)]  # weights, cache, bar


def half(x):
    return struct.unpack("e", struct.pack("e", x))[0]


def table_gelu(x):
    """GELU as ggml has it: a table of half precision for -10 < x < 10."""
    if not -10 < x < 10:
        return max(x, 0.0)
    x = half(x)
    return half(0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x))))


class TableGelu:
    """A tap that puts ggml's GELU in the place of ours."""

    def __call__(self, name, value):
        if name.endswith("mlp.c_fc"):
            self.before = value
        if name.endswith("mlp.act"):
            return [[table_gelu(x) for x in row] for row in self.before]
        return value


def theirs(path, prompt, count, cache):
    """Return the ids of the prompt and what llama.cpp adds greedily, the length of the prompt, and the logits."""
    llm = llama_cpp.Llama(
        str(path), n_ctx=256, logits_all=True, verbose=False, type_k=cache, type_v=cache, n_threads=1, n_threads_batch=1
    )
    ids = llm.tokenize(prompt.encode(), add_bos=True, special=False)
    given = len(ids)
    llm.eval(ids)
    for _ in range(count):
        ids = [*ids, int(llm.scores[len(ids) - 1].argmax())]
        llm.eval(ids[-1:])
    return ids, given, np.array(llm.scores[: len(ids)], dtype=np.float64)


def compare(folder, count):
    tokenizer = Tokenizer.from_pretrained(folder)
    ours, passed = {}, True
    with tempfile.TemporaryDirectory() as files, GPT2.from_pretrained(folder) as gpt2:
        for dtype, cache, bar in RUNS:
            path = Path(files, f"{dtype}.gguf")
            if not path.exists():
                Conversion.prepared(Path(folder), str(path), "gguf", dtype, False).run(lambda *_: None)
            total, leads, errors, errors_alike = 0, [], [], []
            for prompt in PROMPTS:
                ids, given, logits = theirs(path, prompt, count, cache)
                if ids[:given] != tokenizer.encode(prompt):
                    sys.exit(f"{folder}: llama.cpp reads {prompt!r} as {ids[:given]}")
                if tuple(ids) not in ours:
                    ours[tuple(ids)] = [np.array(gpt2.logits(ids, **tap)) for tap in ({}, {"tap": TableGelu()})]
                exact, alike = ours[tuple(ids)]
                for place in range(given - 1, len(ids) - 1):
                    leads.append(exact[place].max() - exact[place][ids[place + 1]])
                total += count
                errors.append(abs(logits - exact).ravel())
                errors_alike.append(abs(logits - alike).ravel())
            distances = "   ".join(
                f"{error.max():.1e}  {np.sqrt((error**2).mean()):.1e}"
                for error in map(np.concatenate, (errors, errors_alike))
            )
            kind = "f32" if cache == F32 else "f16"
            equal = leads.count(0)
            led = "" if equal == total else f"   we led by {max(leads):.1e} at most"
            print(f"{Path(folder).name:10} {dtype:7} {kind:5} {equal:4} of {total:3}      {distances}{led}", flush=True)
            passed &= np.concatenate(errors).max() <= bar and (equal == total or (dtype, cache) != ("f32", F32))
    print(f"{Path(folder).name}: our logits have a standard deviation of {exact.std():.1f}", flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="a folder (may be given again)")
    parser.add_argument("--tokens", type=int, default=32, help="new tokens after each prompt (default 32)")
    options = parser.parse_args()
    data = Path(os.environ.get("STARCHART_DATA") or ROOT.parent / "shared" / "data") / "models" / "tales-6m"
    models = options.model or [str(model_folder("towel")), *([str(data)] if data.is_dir() else [])]
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    processor = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    print(f"{date.today()}, {processor}, CPython {platform.python_version()}, {platform.platform(terse=True)}")
    print(f"llama-cpp-python {version('llama-cpp-python')}; {len(PROMPTS)} prompts, {options.tokens} new tokens each\n")
    print("                                         logits - ours      with its GELU")
    print("model      weights cache  equal tokens   most     rms       most     rms")
    passed = [compare(model, options.tokens) for model in models]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
