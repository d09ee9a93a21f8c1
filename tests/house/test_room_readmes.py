"""The pages of the rooms are true to the code: their examples run, and they name everything that is public."""

import ast
import doctest
import re

import pytest

from tests.house.source_tree import ROOT, SRC, parse

ROOMS = ["utils", "embeddings", "layers", "model"]
CHECKPOINT_ROOMS = sorted((SRC / "starchart" / "checkpoints").rglob("__init__.py"))


def page(room):
    return SRC / "starchart" / room / "README.md"


@pytest.mark.parametrize("room", ROOMS)
def test_examples(room):
    failed, _ = doctest.testfile(str(page(room)), module_relative=False, encoding="utf-8")
    assert failed == 0


@pytest.mark.parametrize("room", ROOMS)
def test_everything_public_is_named(room):
    public = {
        node.name
        for file in page(room).parent.glob("*.py")
        for node in parse(file).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    assert public - set(re.findall(r"\w+", page(room).read_text(encoding="utf-8"))) == set()


@pytest.mark.parametrize("init", CHECKPOINT_ROOMS, ids=lambda init: init.parent.name)
def test_every_file_of_checkpoints_is_named(init):
    words = set(re.findall(r"\w+", (init.parent / "README.md").read_text(encoding="utf-8")))
    files = {file.stem for file in init.parent.glob("*.py")} - {"__init__"}
    rooms = {inner.parent.name for inner in init.parent.glob("*/__init__.py")}
    assert (files | rooms) - words == set()


@pytest.mark.parametrize(
    "file",
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *SRC.rglob("*.md"), *ROOT.glob("starport/**/*.md")],
    ids=lambda file: file.relative_to(ROOT).as_posix(),
)
def test_links_lead_somewhere(file):
    links = re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (file.parent / link).exists()] == []
