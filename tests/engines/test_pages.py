"""The pages of the engines are true to the code: examples run, and functions and files are where the pages say."""

import ast
import doctest
import re

import pytest

from starchart.engine import Engine
from starchart.engines import reference
from tests.house.source_tree import SRC, imports, parse

ENGINES = SRC / "starchart" / "engines"
PAGES = [ENGINES / "README.md", ENGINES / "packed" / "README.md"]


def text(page):
    return page.read_text(encoding="utf-8")


def test_the_worked_example_gives_what_the_page_says():
    failed, tried = doctest.testfile(str(PAGES[1]), module_relative=False, encoding="utf-8")
    assert failed == 0
    assert tried > 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_linked_function_is_in_its_file(page):
    links = re.findall(r"\[`(\w+)`\]\(([\w/]+\.py)\)", text(page))
    defined = {path: {getattr(node, "name", "") for node in ast.walk(parse(page.parent / path))} for _, path in links}
    assert [(name, path) for name, path in links if name not in defined[path]] == []
    assert len(links) > 10 or page is PAGES[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_file_is_named(page):
    own = set(page.parent.glob("*.py")) | set(page.parent.glob("arithmetic/*.py"))
    files = {file.relative_to(page.parent).as_posix() for file in own if file.name != "__init__.py"}
    assert files == set(re.findall(r"`([\w/]+\.py)`", text(page)))


def test_the_number_of_operations():
    methods = [name for name in vars(Engine) if not name.startswith("_")]
    assert sorted(methods) == sorted(reference.__all__)
    assert f"{len(methods)} methods" in text(PAGES[0])


def test_the_arithmetic_knows_nothing_of_processes_and_files():
    for file in (ENGINES / "packed" / "arithmetic").glob("*.py"):
        known = [name for name, _ in imports(parse(file)) if name.startswith("starchart.engines")]
        assert all(name.startswith("starchart.engines.packed.arithmetic.") for name in known), file.name
