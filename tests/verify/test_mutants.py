"""The list of mutants fits the source. Running them takes minutes: `python bench/mutants.py`."""

import ast

import pytest

from bench import mutants
from bench.mutant_list import MUTANTS
from starport.verify.components import COMPONENTS
from tests.house.source_tree import SRC


def test_there_are_enough_and_no_name_comes_twice():
    assert len(MUTANTS) == len({mutant.name for mutant in MUTANTS}) >= 30
    assert {mutant.component for mutant in MUTANTS} <= set(COMPONENTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_made_and_is_python(mutant):
    text = (SRC / "starchart" / f"{mutant.file}.py").read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1
    changed = text.replace(mutant.old, mutant.new)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))


def test_findings_are_cut_at_a_whole_item_and_can_be_read():
    assert mutants.shortened("one: 1.5 of 2; two: 2.25 of 3; three: 9", most=35) == "one: 1.5 of 2; two: 2.25 of 3 ..."
    assert mutants.shortened("some words alone here", most=18) == "some words ..."
    assert mutants.readable("'\\uc774\\x1f\\u04: 19 ids") == "'이\\x1f...: 19 ids"
