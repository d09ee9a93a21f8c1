"""docs/FINGERPRINTS.md on every Python of this machine: towel, one prompt, every engine, 1, 2 or 3 workers."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

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


def test_the_same_bits_on_every_python():
    others = other_interpreters()
    kept = read_page(FILE.read_text(encoding="utf-8"))[1]
    expected = {(way.name, PROMPTS[0]): kept[way.name, PROMPTS[0]] for way in WAYS}
    # All numbers of workers on all Pythons would take a minute. Each has its turn.
    runs = list(zip([*others, *[sys.executable] * max(1, 3 - len(others))], cycle((1, 2, 3)), strict=False))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda run: told(*run), runs))
    for run, values in zip(runs, found, strict=True):
        assert values == expected, run
    if not others:
        pytest.skip("the running Python gives the bits of the page; no other one from 3.11 on was found")


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
