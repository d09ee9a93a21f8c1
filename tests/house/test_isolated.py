"""`python -I -S run_gpt2.py`: nothing but the standard library, and the same text from every Python."""

import sys

import pytest

from tests.data import shared
from tests.house.same_text import EXPECTED, run_isolated, tell, tell_the_text
from tests.interpreters import every_python
from tests.tiny_model import write_tiny_model


@pytest.mark.parametrize("python", every_python())
def test_same_bits_on_every_machine(python):
    assert tell_the_text(python) == EXPECTED


@pytest.mark.parametrize("python", every_python())
def test_same_bytes_of_text(python, tmp_path):
    arguments = ("the one", "--model", str(write_tiny_model(tmp_path)), "--seed", "1", "--max-new-tokens", "9")
    text = run_isolated(python, *arguments)
    assert text.startswith(b"the one")
    assert text == run_isolated(sys.executable, *arguments)


def test_other_settings_tell_another_text(tmp_path):
    folder = write_tiny_model(tmp_path)
    one, other = (tell(sys.executable, folder, "the one", "--seed", seed) for seed in "12")
    assert one["fingerprint"] != other["fingerprint"]


@pytest.mark.parametrize("python", every_python()[1:])
def test_the_same_tale(python):
    arguments = (shared("models/tales-6m"), "Once upon a time", "--seed", "42", "--max-new-tokens", "6")
    assert tell(python, *arguments) == tell(sys.executable, *arguments)
