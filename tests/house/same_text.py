"""One text that must be the same on every machine and Python, to the last bit of its last logits.

`python -m tests.house.same_text` tells it on the Python that runs this, with nothing but the standard library, and
fails where it differs from the text below. Print the new one with --print when the arithmetic was changed on purpose.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.tiny_model import write_tiny_model

RUN_GPT2 = Path(__file__).resolve().parents[2] / "run_gpt2.py"
SETTINGS = ["--max-new-tokens", "30", "--temperature", "1.7", "--top-p", "0.97", "--seed", "7", "--on-full", "slide"]
ENGINES = {
    "reference": ("--engine", "reference"),
    "packed, full": ("--engine", "packed", "--no-pack-cache"),
    "packed, full, 2 workers": ("--engine", "packed", "--no-pack-cache", "--workers", "2"),
    "packed, fast": ("--engine", "packed", "--no-pack-cache", "--precision", "fast"),
    "packed, fast, 3 workers": ("--engine", "packed", "--no-pack-cache", "--precision", "fast", "--workers", "3"),
}
IDS = [
    *(200, 131, 160, 214, 151, 58, 178, 154, 106, 157, 109, 86, 178, 86, 256),
    *(214, 202, 58, 108, 27, 108, 76, 149, 108, 256, 244, 76, 108, 58, 76),
]
FINGERPRINTS = {
    "reference": "d069d92ab0f795125d3e65aa617e33dd373ad88d7b8435d3707363a13b243ce5",
    "packed, full": "9355165f070684fcfde63b459ce1db1495577f94de1542862c0e750f558d6f47",
    "packed, fast": "a9adc933997a4f4e3a1fa2f0a57c1d216459f03e3f3fe23c8b6e676ae89093f8",
}
EXPECTED = {
    # Workers change no bit: after the second comma only the way of computing is named.
    name: {"generated_ids": IDS, "fingerprint": FINGERPRINTS[", ".join(name.split(", ")[:2])]}
    for name in ENGINES
}


def run_isolated(python: str, *arguments: str) -> bytes:
    """Return what run_gpt2.py writes to standard output where no package and no variable can reach it."""
    command = [python, "-I", "-S", str(RUN_GPT2), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300).stdout


def tell(python: str, folder: Path, prompt: str, *settings: str) -> dict[str, Any]:
    """Return the ids, the text and the fingerprint that `python` gets from a model."""
    report = json.loads(run_isolated(python, prompt, "--model", str(folder), "--json", *settings))
    return {name: report[name] for name in ("generated_ids", "text", "fingerprint")}


def tell_the_text(python: str) -> dict[str, dict[str, Any]]:
    """Return what `python` makes of the tiny model with each engine; EXPECTED says what it should be."""
    with tempfile.TemporaryDirectory() as folder:
        model = write_tiny_model(folder, seed=3)
        told = {name: tell(python, model, "the one", *SETTINGS, *options) for name, options in ENGINES.items()}
    return {name: {"generated_ids": it["generated_ids"], "fingerprint": it["fingerprint"]} for name, it in told.items()}


if __name__ == "__main__":
    told = tell_the_text(sys.executable)
    if "--print" in sys.argv:
        print(told)
    elif told != EXPECTED:
        sys.exit(f"told {told}\nnot  {EXPECTED}")
