"""Writes docs/FINGERPRINTS.md for the model in the box: `python -m tools.write_fingerprints`.

The same fingerprints go into a table of the explorer, which is there where the page is not: in a browser, in a wheel.

Run it when towel or the arithmetic was changed on purpose, and say so in the commit.

`--check PYTHON ...` writes nothing: it computes the page on each of these Pythons, with every number of workers, and
exits with code 1 if a bit differs.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from starport.hub.find_model import IN_THE_BOX, find_model  # noqa: E402
from starport.verify.fingerprints import FILE, PROMPTS, WAYS, Told, page, read_page  # noqa: E402

TABLE = ROOT / "starport" / "explorer" / "published_table.py"
# Run by another Python, without site-packages. Its arguments: the root, then JSON: [way, workers], and the prompts.
_PROGRAM = """
import json, platform, sys
root, (name, workers), prompts = sys.argv[1], *map(json.loads, sys.argv[2:])
sys.path[:0] = [root + "/src", root]
from starport.hub.find_model import IN_THE_BOX, find_model
from starport.verify.fingerprints import WAYS, fingerprints
way = next(way for way in WAYS if way.name == name)
found = fingerprints(find_model(IN_THE_BOX)[0], way, workers, tuple(prompts))
print(json.dumps([platform.python_implementation() + " " + platform.python_version(), list(found.items())]))
"""


def fingerprints_on(python: str, way: str, workers: int, prompts: tuple[str, ...] = PROMPTS) -> tuple[str, Told]:
    """Return which Python `python` runs, and what it finds. Raises OSError, SubprocessError where it cannot."""
    arguments = [str(ROOT), json.dumps([way, workers]), json.dumps(prompts)]
    command = [python, "-I", "-S", "-c", _PROGRAM, *arguments]
    run = subprocess.run(command, capture_output=True, check=True, text=True, timeout=600)
    version, found = json.loads(run.stdout)
    return version, {(name, prompt): value for (name, prompt), value in found}


def table(text: str) -> str:
    """Return the module that has the fingerprints of a page, for the explorer."""
    digest, found = read_page(text)
    ways = {way.name: (way.engine, way.precision) for way in WAYS}
    rows = [
        f'    ({json.dumps(prompt, ensure_ascii=False)}, {", ".join(map(json.dumps, ways[way]))}): "{value}",\n'
        for (way, prompt), value in found.items()
    ]
    return (
        '"""The fingerprints of docs/FINGERPRINTS.md, written by tools/write_fingerprints.py."""\n\n'
        "# fmt: off\n# ruff: noqa: E501\n\n"
        f'MODEL = "{digest}"\n'
        "# prompt, engine, precision: of the row from which the token after two greedy ones is drawn\n"
        f"FINGERPRINTS = {{\n{''.join(rows)}}}\n"
    )


def check(pythons: list[str]) -> int:
    """Print a line for each Python, way and number of workers; return 1 if one has other bits than the page, else 0."""
    kept = read_page(FILE.read_text(encoding="utf-8"))[1]
    wrong = 0
    for python in pythons:
        for way in WAYS:
            expected = {key: value for key, value in kept.items() if key[0] == way.name}
            for workers in way.workers:
                version, found = fingerprints_on(python, way.name, workers)
                same = bool(found) and found == expected
                wrong += not same
                told = "the bits of the page" if same else "OTHER BITS THAN THE PAGE"
                end = "s" if workers > 1 else ""
                print(f"{version:16} {way.name:14} {workers} worker{end}: {told} for {len(found)} prompts", flush=True)
    return int(bool(wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write docs/FINGERPRINTS.md, or check it.")
    parser.add_argument("--check", metavar="PYTHON", nargs="*", help="on these Pythons (default: this one)")
    options = parser.parse_args()
    if options.check is not None:
        sys.exit(check(options.check or [sys.executable]))
    text = page(find_model(IN_THE_BOX)[0])
    for file, content in ((FILE, text), (TABLE, table(text))):
        file.write_text(content, encoding="utf-8")
        print(f"wrote {file.relative_to(ROOT)}")
