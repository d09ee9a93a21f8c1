"""The worked example of the room's README, run."""

import doctest
from pathlib import Path

from starchart.generation import sampling


def test_the_worked_example():
    readme = Path(sampling.__file__).parent / "README.md"
    result = doctest.testfile(str(readme), module_relative=False)
    assert result.attempted > 0
    assert result.failed == 0
