"""The tests that docs/SECURITY.md names are there, in the folders that it names."""

import re

import pytest

from tests.house.source_tree import ROOT

TESTS = ROOT / "tests"


def rows():
    """Give the tests of every row of the table, each with the folders of its part."""
    text = (ROOT / "docs" / "SECURITY.md").read_text(encoding="utf-8")
    folders = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or len(cells) != 3 or cells[0].startswith(("attack", "--")):
            continue
        if cells[0].startswith("**"):
            folders = [TESTS / name for name in re.findall(r"`([\w/.]+)`", cells[2])]
        else:
            yield pytest.param(re.findall(r"`(\w+\.py)`", cells[2]), folders, id=cells[0][:40])


@pytest.mark.parametrize(("names", "folders"), [*rows()])
def test_the_tests_are_there(names, folders):
    assert names
    assert folders
    for name in names:
        assert [folder for folder in folders if (folder / name).is_file()], name


def test_every_reader_has_a_row():
    formats = {folder.parent for folder in TESTS.glob("checkpoints/*/samples.py")}
    assert len(formats) >= 5
    assert formats <= {folder for row in rows() for folder in row.values[1]}
