"""No test waits for ever: its programs end with it, and every wait for a program has a limit."""

import ast

from tests.house.source_tree import ROOT

WAITS = {"communicate", "wait", "run", "call", "check_call", "check_output"}


def endless(source):
    """Return the lines of calls that may wait for ever, or that start a program that may never end."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    found = []
    for call in calls:
        owner, _, name = ast.unparse(call.func).rpartition(".")
        waits = name in {"communicate", "wait"} or (owner == "subprocess" and name in WAITS)
        if name == "Popen" or (waits and not any(keyword.arg in ("timeout", None) for keyword in call.keywords)):
            found.append(call.lineno)
    return found


def test_every_wait_in_the_tests_has_a_limit():
    files = sorted((ROOT / "tests").rglob("*.py"))
    found = {str(file.relative_to(ROOT)): endless(file.read_text(encoding="utf-8")) for file in files}
    found["tests/children.py"].pop()  # the one that ends what it starts
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_that_endless_waits_are_seen():
    assert endless("process.communicate()\nsubprocess.run([])\nsubprocess.Popen([])\nprocess.wait()\n") == [1, 2, 3, 4]
    assert endless("process.communicate(timeout=3)\nruns.run()\nsubprocess.run([], **options)\n") == []
