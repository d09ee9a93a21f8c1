"""Break the engine in many ways, one at a time, and see whether compare.py catches each and names the right component.

    python bench/mutants.py [--only TEXT] [--alone] [--jobs 2] [--write docs/MUTANTS.md]

Each break of mutant_list.py is made in a copy of the tree, where compare.py then runs on a small random model: all
components up to the one that must catch it (with --alone that one only). The right component is named if it is the
first to fail. Exits 1 if a mutant survives or another component is named.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(ROOT / "bench")]

from mutant_list import MUTANTS, Mutant  # noqa: E402

from starchart.errors import StarchartError  # noqa: E402
from starport.verify.components import COMPONENTS  # noqa: E402
from starport.verify.run_checks import require_libraries  # noqa: E402

PATIENCE = 900  # seconds; a break that hangs is caught too
Failures = dict[str, list[tuple[str, str]]]  # component -> (check, finding)


@dataclass(frozen=True)
class Outcome:
    """What compare.py said of a mutant."""

    mutant: Mutant
    component: str  # the first that fails; "" if none does
    check: str
    finding: str

    @property
    def good(self):
        return self.component == self.mutant.component


def copy_tree(folder):
    """Copy what compare.py needs into a new folder, and return it."""
    ignored = shutil.ignore_patterns("__pycache__", "towel")
    for name in ("src", "starport"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "compare.py", folder)
    return folder


def break_it(tree, mutant):
    """Make the break in a copy of the tree."""
    path = tree / "src" / "starchart" / f"{mutant.file}.py"
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        sys.exit(f"{mutant.name}: {mutant.old!r} stands {text.count(mutant.old)} times in {mutant.file}.py, not once")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")


def failures(tree, model, components) -> Failures:
    """Run compare.py and return its failed checks by component, in its order."""
    report = tree / "report.json"
    only = [word for name in components for word in ("--only", name)]
    command = [sys.executable, "compare.py", "--model", str(model), "--json", str(report), *only]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return {"none": [("compare.py", "hangs")]}
    if not report.exists():
        return {"none": [("compare.py", done.stderr.decode(errors="replace").strip().splitlines()[-1])]}
    failed: Failures = {}
    for check in json.loads(report.read_text(encoding="utf-8"))["checks"]:
        if not check["passed"]:
            failed.setdefault(check["component"], []).append((check["name"], check["finding"]))
    return failed


def judge(mutant, model, alone, known):
    """Return the outcome of one mutant; `known` are checks that fail in the unbroken tree too."""
    names = list(COMPONENTS)
    components = [mutant.component] if alone else names[: names.index(mutant.component) + 1]
    with tempfile.TemporaryDirectory() as temporary:
        tree = copy_tree(Path(temporary) / "tree")
        break_it(tree, mutant)
        for component, checks in failures(tree, model, components).items():
            for check, finding in checks:
                if (component, check) not in known:
                    return Outcome(mutant, component, check, finding)
    return Outcome(mutant, "", "", "")


def unbroken(model, components):
    """Return the checks that fail without a break: there should be none."""
    with tempfile.TemporaryDirectory() as temporary:
        failed = failures(copy_tree(Path(temporary) / "tree"), model, components)
    return {(component, check) for component, checks in failed.items() for check, _ in checks}


def readable(finding):
    """Return a finding on one line, with characters for the escapes of those that can be printed."""

    def character(escape):
        found = chr(int(escape[1], 16))
        return found if found.isprintable() else escape[0]

    finding = re.sub(r"\\(?:u[0-9a-f]{0,3}|x[0-9a-f]?)?(?=: \d+ ids)", "...", finding)  # an escape cut short
    return " ".join(re.sub(r"\\(?:u|x)([0-9a-f]{4}|(?<=x)[0-9a-f]{2})", character, finding).split())


def shortened(finding, most=100):
    """Return a finding of `most` characters or fewer: cut after the last whole item, or else after a word."""
    if len(finding) <= most:
        return finding
    start = finding[: most - 3]
    items = start.rpartition(";")[0] if ";" in start else finding[: most - 3].rpartition(" ")[0]
    return items.rstrip(" ,;:") + " ..."


def table(outcomes):
    """Give the lines of the table in Markdown."""
    yield "| mistake | file | component that failed | check | its message |"
    yield "|---|---|---|---|---|"
    for outcome in outcomes:
        m = outcome.mutant
        caught = outcome.component if outcome.good else f"**{outcome.component or 'nothing'}**, not {m.component}"
        finding = shortened(readable(outcome.finding)).replace("|", "\\|")
        yield f"| {m.name} | `{m.file}` | {caught} | {outcome.check} | {finding} |"


def page(outcomes, alone):
    good = sum(outcome.good for outcome in outcomes)
    way = "the component that must catch it" if alone else "all components up to the one that must catch it"
    text = f"""# Mutants

Written by `python bench/mutants.py --write docs/MUTANTS.md`; do not edit. {date.today()}, {platform.machine()}, CPython
{platform.python_version()}.

In the commands here `python` is `.venv/bin/python`, made as the [README](../README.md) says: it has requirements.txt
installed.

A proof that cannot fail proves nothing. So the engine is broken on purpose: {len(outcomes)} mistakes that a programmer
could make, one at a time. For each, `compare.py` runs {way}. For {good} of {len(outcomes)}, a check
failed, and the first that failed was of the right component. The mistakes are in `bench/mutant_list.py`.

"""
    return text + "\n".join(table(outcomes)) + "\n"


def fits(mutant, text):
    """Return whether --only TEXT means this mutant."""
    return text in mutant.name or text == mutant.component


def refused(message):
    print(f"mutants: {message}", file=sys.stderr)
    return 2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", metavar="TEXT", action="append", help="mutants with this in their name, or of this component"
    )
    parser.add_argument("--alone", action="store_true", help="run the component that must catch it, no other")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (default 1)")
    parser.add_argument("--write", metavar="FILE", help="write the table, as Markdown")
    options = parser.parse_args()
    for text in options.only or []:
        if not any(fits(m, text) for m in MUTANTS):
            return refused(f"--only {text}: no such mutant; bench/mutant_list.py has them all")
    chosen = [m for m in MUTANTS if not options.only or any(fits(m, text) for text in options.only)]
    try:
        require_libraries(sorted({m.component for m in chosen} | {"engines"}))  # whose model is the one to break
    except StarchartError as error:
        return refused(str(error))
    from starport.verify.stand_ins import write_stand_in  # noqa: PLC0415  this imports NumPy

    outcomes = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(options.jobs) as pool:
        model = write_stand_in(Path(temporary), 1)
        names = [name for name in COMPONENTS if name in {m.component for m in chosen}]
        known = unbroken(model, names)
        for component, check in sorted(known):
            print(f"fails in the unbroken tree too, and does not count: {component}, {check}", flush=True)
        for outcome in pool.map(lambda mutant: judge(mutant, model, options.alone, known), chosen):
            outcomes.append(outcome)
            mark = "caught  " if outcome.good else "ELSEWHERE" if outcome.component else "SURVIVED"
            found = f"{outcome.component}, {outcome.check}: {outcome.finding}"[:110]
            print(f"{mark} {time.perf_counter() - began:6.0f} s  {outcome.mutant.name}: {found}", flush=True)
    if options.write:
        Path(options.write).write_text(page(outcomes, options.alone), encoding="utf-8")
    good = sum(outcome.good for outcome in outcomes)
    print(f"{good} of {len(outcomes)} caught by the right component")
    return int(good != len(outcomes))


if __name__ == "__main__":
    sys.exit(main())
