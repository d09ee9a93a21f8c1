"""Computes the fingerprints of towel again and compares them with docs/FINGERPRINTS.md.

A fingerprint is the SHA-256 of the row of logits (`starchart.generation.fingerprint`) from which the last of a few
greedy tokens was chosen. So it depends on the prompt, the cache and all steps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from starchart import GPT2, Tokenizer
from starchart.files.regular_file import read_regular_file
from starchart.generation.fingerprint import fingerprint
from starchart.generation.sampling import SamplingSettings
from starport.verify.check import Check, attempt

COMPONENT = "fingerprints"
FILE = Path(__file__).resolve().parents[2] / "docs" / "FINGERPRINTS.md"
NEW_TOKENS = 3
PROMPTS = (
    "Once upon a time",
    "The little towel",
    "She said: “Don't be afraid!”",
    "One day, a fox and a bear went to the river",
    "1 + 2 = 3",
)


@dataclass(frozen=True)
class Way:
    """An engine with a precision, and the numbers of workers to check: they must not change the bits."""

    name: str
    engine: str
    precision: str
    workers: tuple[int, ...]

    @property
    def options(self) -> str:
        """The options of `run_gpt2.py` for it."""
        return f"--engine {self.engine} --precision {self.precision}"


WAYS = (
    Way("reference", "reference", "full", (1,)),
    Way("packed, full", "packed", "full", (1, 2, 3)),
    Way("packed, fast", "packed", "fast", (1, 2, 3)),
)
Told = dict[tuple[str, str], str]  # (way, prompt) -> fingerprint


def fingerprint_of(gpt2: GPT2, tokenizer: Tokenizer, prompt: str) -> str:
    """Return the fingerprint of the row from which the last of NEW_TOKENS greedy tokens was chosen."""
    found = ""
    for step in gpt2.steps(tokenizer.encode(prompt), SamplingSettings(temperature=0.0), max_new_tokens=NEW_TOKENS):
        found = fingerprint(step.logits)
    return found


def fingerprints(model: Path, way: Way, workers: int, prompts: tuple[str, ...] = PROMPTS) -> Told:
    """Return the fingerprints of a model on an engine, for each prompt."""
    tokenizer = Tokenizer.from_pretrained(model)
    with GPT2.from_pretrained(model, way.engine, precision=way.precision, workers=workers, pack_cache=False) as gpt2:
        return {(way.name, prompt): fingerprint_of(gpt2, tokenizer, prompt) for prompt in prompts}


def model_digest(model: Path) -> str:
    """Return the SHA-256 of the files that decide the output of a model."""
    digest = sha256()
    for name in ("config.json", "model.safetensors", "vocab.json", "merges.txt"):
        digest.update(sha256(read_regular_file(model / name)).digest() if (model / name).is_file() else b"none")
    return digest.hexdigest()


def checks(model: Path) -> Iterator[Check]:
    """Yield a check per engine and number of workers; for another model than that of the page only one."""
    if not FILE.is_file():
        yield _no_page()
        return
    kept_digest, kept = read_page(read_regular_file(FILE).decode())
    found_digest = model_digest(model)
    if kept_digest != found_digest:
        yield _other_model(model, kept_digest, found_digest)
        return
    for way in WAYS:
        for workers in way.workers:
            name = _name(way, workers)
            yield attempt(COMPONENT, name, lambda w, n: compared(w, n, kept, fingerprints(model, w, n)), way, workers)


def compared(way: Way, workers: int, kept: Told, found: Mapping[tuple[str, str], str]) -> Check:
    """Return the check that the fingerprints of an engine are those of the page."""
    expected = {key: value for key, value in kept.items() if key[0] == way.name}
    wrong = [prompt for (_, prompt), value in found.items() if expected.get((way.name, prompt)) != value]
    passed = not wrong and expected.keys() == found.keys() and bool(found)
    if passed:
        finding = f"same bits as docs/FINGERPRINTS.md for {len(found)} prompts"
    else:
        which = ", ".join(map(repr, wrong)) or "no prompt: the page has other prompts"
        finding = f"other bits than docs/FINGERPRINTS.md after {which}"
    values = {prompt: value for (_, prompt), value in found.items()}
    return Check(COMPONENT, _name(way, workers), passed, finding, values)


def _name(way: Way, workers: int) -> str:
    return f"{way.name}, {workers} worker{'s' * (workers > 1)}"


def _no_page() -> Check:
    """Return the check if the page is missing: it passes in an installed package and fails in a clone."""
    installed = not (FILE.parents[1] / "compare.py").is_file()
    finding = "not run: docs/FINGERPRINTS.md is only in a clone" if installed else f"there is no {FILE.name} in docs"
    return Check(COMPONENT, "page", installed, finding, run=not installed)


def _other_model(model: Path, kept: str, found: str) -> Check:
    """Return the check for another model than that of the page: it fails if the model is the towel in the box."""
    boxed = model.name == "towel" and model.parent.name == "box"
    finding = (
        "docs/FINGERPRINTS.md is of another towel than the one in the box" if boxed
        else "not run: docs/FINGERPRINTS.md is of towel only; leave out --model"
    )  # fmt: skip
    return Check(COMPONENT, "model", not boxed, finding, {"kept": kept, "found": found}, run=boxed)


def page(model: Path) -> str:
    """Return docs/FINGERPRINTS.md for a model."""
    lines = [_HEAD.format(digest=model_digest(model), tokens=NEW_TOKENS)]
    found: Told = {}
    for way in WAYS:
        found |= fingerprints(model, way, 1)
    lines += [f"| `{prompt}` | {way} | `{value}` |" for (way, prompt), value in sorted(found.items(), key=_by_prompt)]
    return "\n".join(lines) + "\n"


def _by_prompt(item: tuple[tuple[str, str], str]) -> tuple[int, int]:
    (way, prompt), _ = item
    return PROMPTS.index(prompt), [other.name for other in WAYS].index(way)


def read_page(text: str) -> tuple[str, Told]:
    """Return the digest of the model and the fingerprints that a page holds."""
    digest = text.partition("Model: `")[2].partition("`")[0]
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    return digest, {(way.strip(), prompt.strip()[1:-1]): value.strip()[1:-1] for _, prompt, way, value, _ in rows}


_HEAD = """# Fingerprints

Generated by `python -m tools.write_fingerprints`; `python compare.py --only fingerprints` computes them again.
In the commands here `python` is `.venv/bin/python`, made as the [README](../README.md) says: it has requirements.txt
installed.

The same prompt, checkpoint and seed give the same bits on every machine, every Python from 3.11 on and every number of
workers. These are the bits of towel, the model in the box: a fingerprint is the sha256 of the row of logits, as
little-endian doubles, from which token {tokens} after the prompt was drawn. To see one of them:

    python run_gpt2.py "Once upon a time" --model towel --temperature 0 --max-new-tokens {tokens} --json \\
        --engine packed --precision full --workers 2

and look for `fingerprint`. The engines round at different places, so their last digits differ; each
engine always gives its own bits.

Model: `{digest}` (sha256 of the sha256 of config.json, model.safetensors, vocab.json, merges.txt)

| prompt | engine, precision | fingerprint |
|---|---|---|"""
