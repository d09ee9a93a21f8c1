"""docs/FINGERPRINTS.md on every Python of this machine: towel, one prompt, every engine, 1, 2 or 3 workers."""

import sys
from itertools import product

import pytest

from starport.verify.fingerprints import FILE, PROMPTS, WAYS, read_page
from tests.interpreters import other_interpreters
from tools import write_fingerprints


def told(python, workers):
    found = {}
    for way in WAYS:
        number = workers if workers in way.workers else 1
        found |= write_fingerprints.fingerprints_on(python, way.name, number, PROMPTS[:1])[1]
    return found


def every_run():
    """Return every Python with every number of workers; slow but for one turn of each number of workers."""
    others = other_interpreters()
    turns = set(zip([*reversed(others), sys.executable, sys.executable, sys.executable], (1, 2, 3), strict=False))
    runs = product([sys.executable, *others], (1, 2, 3))
    return [pytest.param(*run, marks=() if run in turns else pytest.mark.slow) for run in runs]


@pytest.mark.parametrize(("python", "workers"), every_run())
def test_the_same_bits_on_every_python(python, workers):
    kept = read_page(FILE.read_text(encoding="utf-8"))[1]
    assert told(python, workers) == {(way.name, PROMPTS[0]): kept[way.name, PROMPTS[0]] for way in WAYS}


@pytest.mark.parametrize(("changed", "code"), [(False, 0), (True, 1)])
def test_the_command_that_checks_all_numbers_of_workers(changed, code, monkeypatch, capsys):
    kept = read_page(FILE.read_text(encoding="utf-8"))[1]

    def found(python, name, workers):
        values = {key: value for key, value in kept.items() if key[0] == name}
        if changed and (name, workers) == ("packed, fast", 2):
            values[name, PROMPTS[3]] = "0"
        return "CPython 3", values

    monkeypatch.setattr(write_fingerprints, "fingerprints_on", found)
    assert write_fingerprints.check(["python"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert [line for line in lines if "OTHER" in line] == [line for line in lines if changed and "fast   2" in line]
