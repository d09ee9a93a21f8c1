"""The drawing of the architecture says what the code says."""

from tools.draw_architecture import DRAWING, draw
from tools.read_architecture import read_house, without_implied


def test_the_committed_drawing_is_that_of_the_code():
    drawn = DRAWING.read_text(encoding="utf-8")
    assert drawn == draw(), "run python -m tools.draw_architecture"


def test_arrows_are_imports_that_exist():
    rooms, edges = read_house()
    assert {a for edge in edges for a in edge} <= set(rooms)
    assert ("starchart.layers", "starchart.utils") in edges
    assert ("starchart.utils", "starchart.layers") not in edges
    assert without_implied(edges) <= edges


def test_a_room_inside_another_is_named_in_it():
    rooms, edges = read_house()
    assert {"gguf/", "formats", "zip/"} <= set(rooms["starchart.checkpoints"])
    assert "header" not in rooms["starchart.checkpoints"]
    assert not [room for room in rooms if room.count(".") > 1]
    assert ("starchart.checkpoints", "gguf_header.py") in edges


def test_an_implied_arrow_is_left_out():
    edges = {("a", "b"), ("b", "c"), ("c", "d"), ("a", "c"), ("a", "d"), ("a", "e")}
    assert without_implied(edges) == {("a", "b"), ("b", "c"), ("c", "d"), ("a", "e")}
