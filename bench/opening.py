"""Opening a 124M checkpoint in each type of number: seconds, and the peak memory of the process.

    python bench/opening.py [--repeats 3]

For each type transformers writes a 124M checkpoint with seeded random weights into a temporary folder, and new Python
processes open it, one after another, with GPT2.from_pretrained on the reference engine. Seconds are the median, without
the start of Python; memory is the largest value, with everything, Python too. The file is in the
system's cache when it is opened. Before anything is timed, one process compares every weight of the loaded tree with
what the safetensors library reads, exactly.

Needs torch, transformers and safetensors; not for Windows, which has no getrusage.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16", "F64": "float64"}

WRITE = """
import sys, torch, transformers
from transformers import GPT2Config, GPT2LMHeadModel
transformers.logging.disable_progress_bar()
torch.manual_seed(0)
model = GPT2LMHeadModel(GPT2Config()).to(getattr(torch, sys.argv[2]))
model.save_pretrained(sys.argv[1])
print(sum(parameter.numel() for parameter in model.parameters()))
"""
# Compares in doubles, which hold every number of the four types exactly; raises where a tensor differs.
CHECK = """
import functools, sys, torch
from safetensors.torch import load_file
sys.path.insert(0, sys.argv[2])
from starchart.checkpoints.checkpoint import load_checkpoint
_, weights = load_checkpoint(sys.argv[1])
step = lambda value, field: value[int(field)] if field.isdigit() else getattr(value, field)
for name, expected in load_file(sys.argv[1] + "/model.safetensors").items():
    ours = functools.reduce(step, name.removeprefix("transformer.").split("."), weights)
    rows = ours if expected.dim() == 2 else [ours]
    kind = torch.float64 if rows[0].itemsize == 8 else torch.float32
    ours = torch.stack([torch.frombuffer(row, dtype=kind) for row in rows]).reshape(expected.shape)
    if not torch.equal(ours.double(), expected.double()):
        sys.exit(f"{name} is not what the safetensors library reads")
"""
OPEN = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[2])
from starchart import GPT2
began = time.perf_counter()
gpt2 = GPT2.from_pretrained(sys.argv[1])
seconds = time.perf_counter() - began
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([seconds, most]))
"""


def python(program, *arguments, isolated=False):
    """Runs a program in a new Python and returns what it prints."""
    flags = ["-I", "-S"] if isolated else []
    command = [sys.executable, *flags, "-c", program, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def processor():
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="processes that open each checkpoint (default 3)")
    options = parser.parse_args()
    print(f"{date.today()}, {processor()}, {os.cpu_count()} cores, {platform.platform(terse=True)}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("transformers", "torch", "safetensors"))
    print(f"CPython {platform.python_version()}; {versions}")
    print(f"GPT2.from_pretrained, reference engine, {options.repeats} processes each\n")
    print("type   file MB   seconds (all)              most MB", flush=True)
    for dtype, name in DTYPES.items():
        with tempfile.TemporaryDirectory() as folder:
            parameters = int(python(WRITE, folder, name))
            if parameters != 124_439_808:
                return 1
            python(CHECK, folder, ROOT / "src")
            runs = [json.loads(python(OPEN, folder, ROOT / "src", isolated=True)) for _ in range(options.repeats)]
            size = Path(folder, "model.safetensors").stat().st_size / 1e6
        times, memory = zip(*runs, strict=True)
        every = "(" + ", ".join(f"{seconds:.2f}" for seconds in times) + ")"
        print(
            f"{dtype:5} {size:8.0f}   {statistics.median(times):7.2f} {every:20} {max(memory) / 1e6:9.0f}", flush=True
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
