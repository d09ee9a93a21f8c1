"""docs/BOUNDS.md proves the bound of every function whose docstring points to it, and of no other."""

import re

import pytest

from tests.house.source_tree import ROOT, SRC, python_files

SECTIONS = set(re.findall(r"^## (\w+)$", (ROOT / "docs" / "BOUNDS.md").read_text(encoding="utf-8"), re.MULTILINE))
LEAVES = [file for file in python_files(SRC / "starchart" / "utils") if file.name != "__init__.py"]


def links(text: str) -> list[str]:
    """Return the sections of BOUNDS.md that a text points to."""
    return re.findall(r"BOUNDS\.md#(\w+)", " ".join(text.split()))


def links_of_the_source() -> set[str]:
    return {link for file in python_files(SRC) for link in links(file.read_text(encoding="utf-8"))}


def test_every_link_has_its_section_and_every_section_a_link():
    assert links_of_the_source() == SECTIONS
    assert len(SECTIONS) >= 14


@pytest.mark.parametrize("file", LEAVES, ids=lambda file: file.stem)
def test_a_bound_is_stated_where_its_proof_is_linked(file):
    text = " ".join(file.read_text(encoding="utf-8").split())
    stated = re.findall(r"Error[^;]*(?:below|at most) [^;]*; .*?proof in docs/BOUNDS\.md#\w+\.", text)
    assert len(stated) == len(links(text))


def test_the_check_sees_a_link():
    assert links("proof in\n    docs/BOUNDS.md#exp.") == ["exp"]
    assert links("[the proof](../BOUNDS.md#layer_norm)") == ["layer_norm"]
