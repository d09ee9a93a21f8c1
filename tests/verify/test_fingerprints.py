"""Fingerprints: the page and its check, and that they do not depend on the platform's arithmetic."""

import re
import subprocess
import sys

import pytest

from starport.verify import fingerprints
from tests.house.source_tree import ROOT
from tests.tiny_model import write_tiny_model

PROMPTS = ("the one", "on and on")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("box") / "tiny", seed=11)


@pytest.fixture
def page(model, tmp_path, monkeypatch):
    """Return a page of the tiny model, in the place of docs/FINGERPRINTS.md."""
    file = tmp_path / "docs" / "FINGERPRINTS.md"
    monkeypatch.setattr(fingerprints, "FILE", file)
    monkeypatch.setattr(fingerprints, "PROMPTS", PROMPTS)
    monkeypatch.setattr(fingerprints.fingerprints, "__defaults__", (PROMPTS,))
    monkeypatch.setattr(
        fingerprints, "WAYS", (fingerprints.WAYS[0], fingerprints.Way("packed, full", "packed", "full", (1, 2)))
    )
    file.parent.mkdir()
    file.write_text(fingerprints.page(model), encoding="utf-8")
    return file


def test_what_was_written_is_found_again_and_what_was_changed_is_not(model, page):
    names = ["reference, 1 worker", "packed, full, 1 worker", "packed, full, 2 workers"]
    found = list(fingerprints.checks(model))
    assert [(check.name, check.passed) for check in found] == [(name, True) for name in names]
    text = page.read_text(encoding="utf-8")
    changed = re.sub(r"(\| reference \| `)(.)", lambda m: m[1] + ("0" if m[2] != "0" else "1"), text, count=1)
    page.write_text(changed, encoding="utf-8")
    assert [check.passed for check in fingerprints.checks(model)] == [False, True, True]
    page.write_text("\n".join(line for line in text.splitlines() if "packed, full" not in line), encoding="utf-8")
    assert [check.passed for check in fingerprints.checks(model)] == [True, False, False]


def test_another_model_is_not_compared_but_another_towel_fails(model, page, tmp_path):
    (check,) = fingerprints.checks(write_tiny_model(tmp_path / "other", seed=12))
    assert check.passed
    assert "not run" in check.finding
    (check,) = fingerprints.checks(write_tiny_model(tmp_path / "box" / "towel", seed=12))
    assert not check.passed


def test_a_clone_must_have_the_page_and_a_package_has_none(model, page):
    page.unlink()
    (check,) = fingerprints.checks(model)
    assert check.passed
    (page.parents[1] / "compare.py").touch()
    (check,) = fingerprints.checks(model)
    assert not check.passed


TELL = """
import sys
sys.path[:0] = [{src!r}, {root!r}]
{before}
from pathlib import Path
from starport.verify.fingerprints import WAYS, fingerprints
{after}
for way in WAYS:
    print(sorted(fingerprints(Path({model!r}), way, 1, ("the one", "on")).values()))
"""
# Every function whose rounding depends on the platform, and sum() of floats, made wrong by one ulp.
OFF_BY_ONE_ULP = """
import builtins, math
def off(function):
    return lambda *arguments: math.nextafter(function(*arguments), math.inf)
for name in ("exp", "log", "tanh", "erf", "log1p", "pow"):
    setattr(math, name, off(getattr(math, name)))
def off_sum(values, /, start=0, exact=sum):
    total = exact(values, start)
    return math.nextafter(total, math.inf) if isinstance(total, float) else total
def off_pow(base, exponent, modulus=None, exact=pow):
    power = exact(base, exponent, modulus)
    return math.nextafter(power, math.inf) if isinstance(power, float) else power
builtins.sum, builtins.pow = off_sum, off_pow
assert math.exp(0.0) > 1.0 and sum([0.5, 0.5]) > 1.0 and sum([1, 2]) == 3 and pow(2.0, 2) > 4.0
"""
WITH_THE_PLATFORM_S_EXP = "import starchart.utils.softmax\nstarchart.utils.softmax.exp = math.exp"


def told(model, before="", after=""):
    code = TELL.format(src=str(ROOT / "src"), root=str(ROOT), model=str(model), before=before, after=after)
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return run.stdout.splitlines()


def test_the_platform_s_functions_are_not_in_the_bits(model):
    clean = told(model)
    assert len(clean) == len(fingerprints.WAYS)
    assert told(model, OFF_BY_ONE_ULP) == clean
    assert told(model, OFF_BY_ONE_ULP, WITH_THE_PLATFORM_S_EXP)[0] != clean[0]  # the test can fail
