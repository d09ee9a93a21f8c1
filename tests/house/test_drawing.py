"""The drawing of the architecture agrees with the code."""

import re
from pathlib import Path

from tools import draw_token_flow
from tools.draw_architecture import DRAWING, draw
from tools.read_architecture import levels, read_house, single_files, without_implied


def test_the_committed_drawing_is_that_of_the_code():
    drawn = DRAWING.read_text(encoding="utf-8")
    assert drawn == draw(), "run python -m tools.draw_architecture"


def test_arrows_are_imports_that_exist():
    rooms, edges = read_house()
    assert {a for edge in edges for a in edge} <= set(rooms)
    assert ("starchart.layers", "starchart.utils") in edges
    assert ("starchart.utils", "starchart.layers") not in edges
    assert without_implied(edges) <= edges


def test_the_floors_of_starport_are_in_it():
    rooms, edges = read_house()
    level = levels(set(rooms), edges)
    assert ("starport.hub", "starport.terminal") in edges
    assert [edge for edge in edges if level[edge[0]] <= level[edge[1]]] == []
    assert rooms["starport"] == ["__main__", "cli"]
    assert {a for a, b in edges if b == "starport"} == {"compare.py", "run_gpt2.py"}


def test_a_file_that_rooms_of_its_package_import_stands_by_itself():
    files = dict.fromkeys(["house.room.a", "house.used", "house.used_by_it", "house.top"], Path("a.py"))
    imports = {"house.room.a": {"house.used"}, "house.used": {"house.used_by_it"}, "house.top": {"house.room.a"}}
    assert single_files({module: imports.get(module, set()) for module in files}, files) == {
        "house.used",
        "house.used_by_it",
    }


def test_a_room_inside_another_is_named_in_it():
    rooms, edges = read_house()
    assert {"gguf/", "formats"} <= set(rooms["starchart.checkpoints"])
    assert "header" not in rooms["starchart.checkpoints"]
    assert not [room for room in rooms if room.count(".") > 1]
    assert ("starchart.checkpoints", "starchart.files") in edges
    assert "zip/" in rooms["starchart.files"]


def test_an_implied_arrow_is_left_out():
    edges = {("a", "b"), ("b", "c"), ("c", "d"), ("a", "c"), ("a", "d"), ("a", "e")}
    assert without_implied(edges) == {("a", "b"), ("b", "c"), ("c", "d"), ("a", "e")}


def test_the_committed_token_flow_is_that_of_its_tool_and_every_file_in_it_exists():
    assert draw_token_flow.DRAWING.read_text(encoding="utf-8") == draw_token_flow.draw()
    files = [box.file for box in draw_token_flow.BOXES] + re.findall(r">(\w+/\w+\.py)<", draw_token_flow.draw())
    assert len(set(files)) > 5
    assert [file for file in files if not (draw_token_flow.ROOT / "src" / "starchart" / file).exists()] == []
