"""docs/FINGERPRINTS.md on every Python of this machine: towel, one prompt, every engine, 1, 2 and 3 workers."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import pytest

from starport.verify.fingerprints import FILE, PROMPTS, WAYS, read_page
from tests.house.source_tree import ROOT
from tests.interpreters import other_interpreters

PROGRAM = """
import json, sys
root, prompt, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path[:0] = [root + "/src", root]
from starport.hub.find_model import IN_THE_BOX, find_model
from starport.verify.fingerprints import WAYS, fingerprints
model = find_model(IN_THE_BOX)[0]
found = [fingerprints(model, way, 1 if way.engine == "reference" else workers, (prompt,)) for way in WAYS]
print(json.dumps({way: told for part in found for (way, _), told in part.items()}))
"""


def told(python, workers):
    command = [python, "-I", "-S", "-c", PROGRAM, str(ROOT), PROMPTS[0], str(workers)]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True, timeout=300).stdout)


def test_the_same_bits_on_every_python():
    others = other_interpreters()
    kept = read_page(FILE.read_text(encoding="utf-8"))[1]
    expected = {way.name: kept[way.name, PROMPTS[0]] for way in WAYS}
    # All numbers of workers on all Pythons would take a minute. Each has its turn.
    runs = list(zip([*others, *[sys.executable] * max(1, 3 - len(others))], cycle((1, 2, 3)), strict=False))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda run: told(*run), runs))
    for run, values in zip(runs, found, strict=True):
        assert values == expected, run
    if not others:
        pytest.skip("the running Python gives the bits of the page; no other one from 3.11 on was found")
