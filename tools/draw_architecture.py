"""Draws docs/architecture.svg from the imports in the code: `python -m tools.draw_architecture`.

Rooms are boxes with their files; they stand on floors so that every import goes down. An arrow from one room to another
says that a file in the first imports a file in the second. An import that a path of other arrows implies is left out.

The method is that of layered drawings: a floor for each room, points where a long arrow crosses a floor, an order on
each floor by the mean of the neighbours, then places. Source: Sugiyama, Tagawa and Toda 1981. No randomness: the same
code gives the same file.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import fsum
from pathlib import Path
from xml.sax.saxutils import escape

from tools.read_architecture import Edges, levels, read_house, without_implied

ROOT = Path(__file__).resolve().parents[1]
DRAWING = ROOT / "docs" / "architecture.svg"

WIDTH, MARGIN, GAP = 1040, 40, 22  # of the drawing, around it, between boxes
LINE_HEIGHT, CHARACTER, SPACE, FLOOR_GAP = 18, 6.65, 13, 44  # of file names; between floors
WIDEST = 520  # box, where its floor has the room for it
ZONES = {
    "starport": ("starport/", "where the chart docks with the outside", "#f7eed8", "#fffaf0"),
    "starchart": ("src/starchart/", "the whole engine: Python's standard library only", "#e2ebf5", "#fafcff"),
}
DOOR = "#f3dfae"


@dataclass
class Node:
    """A room, or with no files the point where an arrow crosses a floor."""

    name: str
    files: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    level: int = 0
    x: float = WIDTH / 2  # centre
    y: float = 0.0  # top
    width: float = 0.0
    height: float = 0.0
    bottom: float = 0.0  # of its floor


# ---- floors


def with_crossings(rooms: dict[str, Node], edges: Edges) -> list[list[Node]]:
    """Return each edge as a path of nodes, with a new point on every floor that it passes."""
    paths = []
    for a, b in sorted(edges):
        between = [Node("", level=level) for level in range(rooms[a].level - 1, rooms[b].level, -1)]
        paths.append([rooms[a], *between, rooms[b]])
    return paths


# ---- places


def set_sizes(floor: list[Node]) -> None:
    """Break the files of a floor's rooms into rows, the longer the better, so that the boxes fit side by side."""
    for limit in range(WIDEST, 100, -20):
        for node in floor:
            set_size(node, limit)
        if sum(node.width + GAP for node in floor) <= WIDTH - 2 * MARGIN:
            break


def set_size(node: Node, limit: float) -> None:
    """Break the files of a room into rows below a width, and set the size of its box."""
    node.rows = []
    for file in node.files:
        if not node.rows or row_width([*node.rows[-1], file]) > limit:
            node.rows.append([])
        node.rows[-1].append(file)
    if node.name:
        node.width = max([8.5 * len(node.name), *map(row_width, node.rows)]) + 32
        node.height = 33 + LINE_HEIGHT * len(node.rows) + (7 if node.rows else 0)
    if node.level == 0:
        node.width = WIDTH - 1.5 * MARGIN  # the ground floor is as wide as the drawing


def row_width(row: list[str]) -> float:
    """Return the width of a row of file names."""
    return CHARACTER * len("".join(row)) + SPACE * (len(row) - 1)


def place(floors: list[list[Node]], paths: list[list[Node]]) -> None:
    """Order the floors and set every x: each node near the mean of its neighbours, none over another.

    The ground floor does not count as a neighbour, since it is below all places. The points of one arrow count four
    times for each other, so that it stays straight.
    """
    pairs = [pair for path in paths for pair in pairwise(path) if pair[1].level > 0]
    pairs += [(a, b) for a, b in pairs if not a.name or not b.name] * 3
    for _ in range(40):
        for floor in floors:
            for node in floor:
                near = [b.x if a is node else a.x for a, b in pairs if node is a or node is b]
                node.x = fsum(near) / len(near) if near else WIDTH / 2
            floor.sort(key=lambda node: node.x)
            spread(floor)


def spread(floor: list[Node]) -> None:
    """Push the nodes of a floor apart, as little as possible, and keep them on the paper."""
    for _ in range(60):
        for left, right in pairwise(floor):
            overlap = (left.width + right.width) / 2 + GAP - (right.x - left.x)
            if overlap > 0:
                left.x -= overlap / 2
                right.x += overlap / 2
        for node in floor:
            half = min(node.width / 2 + MARGIN, WIDTH / 2)
            node.x = min(max(node.x, half), WIDTH - half)


def set_heights(floors: list[list[Node]]) -> float:
    """Set every y, the top floor first, and return the height of the drawing."""
    y, zone = 24.0, ""
    for floor in reversed(floors):
        if zone != (zone := zone_of(floor)):
            y += 30  # for the name of the zone
        height = max(node.height for node in floor)
        for node in floor:
            node.y, node.bottom = y, y + height
        y += height + FLOOR_GAP
    return y + 6


# ---- ink


def zone_of(floor: list[Node]) -> str:
    """Return the zone that a floor belongs to: that of its rooms; single files lie in starchart or are front doors."""
    names = [node.name for node in floor if node.name]
    if any(name.startswith("starport") for name in names):
        return "starport"
    return "" if names == ["run_gpt2.py"] else "starchart"


def draw_zone(zone: str, rooms: list[Node], ground: float) -> Iterator[str]:
    """Yield the panel behind the rooms of a zone, with its name, down to `ground`."""
    title, note, _, colour = ZONES[zone]
    top = min(node.y for node in rooms) - 38
    yield (
        f'<rect x="18" y="{top:.1f}" width="{WIDTH - 36}" height="{ground - top:.1f}" rx="10" fill="{colour}"'
        ' stroke="#d5d9de"/>'
    )
    yield f'<text class="zone" x="32" y="{top + 22:.1f}">{title}<tspan class="note" dx="10">{note}</tspan></text>'


def draw_box(node: Node, colour: str) -> Iterator[str]:
    """Yield a room: a box, its name, its files."""
    yield (
        f'<rect class="box" x="{node.x - node.width / 2:.1f}" y="{node.y:.1f}" width="{node.width:.1f}"'
        f' height="{node.height:.1f}" rx="6" fill="{colour}"/>'
    )
    name = node.name.removeprefix("starchart.").removeprefix("starport.")
    y = node.y + 22
    yield f'<text class="room" x="{node.x:.1f}" y="{y:.1f}">{escape(name)}</text>'
    for row in node.rows:
        y += LINE_HEIGHT
        x = node.x - row_width(row) / 2
        for file in row:
            yield f'<text class="file" x="{x:.1f}" y="{y:.1f}">{escape(file)}</text>'
            x += CHARACTER * len(file) + SPACE


def draw_arrow(path: list[Node], start: float, end: float) -> str:
    """Return an arrow along a path: straight down through each floor, curved between floors."""
    xs = [start, *(node.x for node in path[1:-1]), end]
    curve = f"M{start:.1f},{path[0].y + path[0].height:.1f} V{path[0].bottom:.1f}"
    for above, below, x, to_x in zip(path, path[1:], xs, xs[1:], strict=False):
        y, to_y = above.bottom, below.y - (6 if below is path[-1] else 0)
        middle = (y + to_y) / 2
        curve += f" C{x:.1f},{middle:.1f} {to_x:.1f},{middle:.1f} {to_x:.1f},{to_y:.1f}"
        if below is not path[-1]:
            curve += f" V{below.bottom:.1f}"
    return f'<path class="arrow" d="{curve}"/>'


def ends(paths: list[list[Node]], last: bool) -> list[float]:
    """Return where each arrow touches its first (or last) box: evenly spaced, in the order of where it comes from."""
    at, beside = (-1, -2) if last else (0, 1)
    result = [path[beside].x for path in paths]  # straight down to the ground
    for node in {path[at].name: path[at] for path in paths if path[at].level > 0}.values():
        mine = sorted((p for p in range(len(paths)) if paths[p][at] is node), key=lambda p: paths[p][beside].x)
        for number, p in enumerate(mine, 1):
            result[p] = node.x - node.width / 2 + node.width * number / (len(mine) + 1)
    return result


def draw() -> str:
    """Return the drawing of the code as it is now."""
    files, edges = read_house()
    level = levels(set(files), edges)
    rooms = {name: Node(name, names, level=level[name]) for name, names in files.items()}
    edges = without_implied(edges)
    paths = with_crossings(rooms, edges)
    nodes = [*rooms.values(), *(node for path in paths for node in path[1:-1])]
    floors = [[n for n in nodes if n.level == level] for level in range(max(n.level for n in nodes) + 1)]
    for floor in floors:
        set_sizes(floor)
    place(floors, paths)
    height = set_heights(floors)
    drawing = [HEAD.format(width=WIDTH, height=f"{height:.0f}")]
    above = [node for name, node in rooms.items() if name.startswith("starport")]
    below = [node for node in rooms.values() if node.level <= rooms["starchart"].level]
    drawing += draw_zone("starport", above, max(node.bottom for node in above) + 14)
    drawing += draw_zone("starchart", below, height - 30)
    drawing += [draw_arrow(*arrow) for arrow in zip(paths, ends(paths, False), ends(paths, True), strict=True)]
    for node in rooms.values():
        colour = ZONES["starport"][2] if node in above else ZONES["starchart"][2] if node in below else DOOR
        drawing += draw_box(node, colour)
    drawing.append(f'<text class="note" x="32" y="{height - 11:.0f}">{CAPTION}</text>')
    return "\n".join([*drawing, "</svg>", ""])


CAPTION = (
    "An arrow: a file in the upper room imports from the lower one."
    " Imports that follow from other arrows are not drawn. A name with a slash is a room inside a room."
)
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>The rooms of Starchart and what they import</title>
<style>
text {{ font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1b2836 }}
.zone {{ font-size: 15px; font-weight: 600; fill: #3d4b5a }}
.note {{ font-size: 12.5px; font-weight: 400; fill: #6b7683 }}
.room {{ font-size: 15px; font-weight: 600; text-anchor: middle }}
.file {{ font: 11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #3f4d5c }}
.box {{ stroke: #93a1b0; stroke-width: 1 }}
.arrow {{ fill: none; stroke: #718096; stroke-width: 1.4; marker-end: url(#head) }}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="3" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0,0.5 L7.5,4 L0,7.5 z" fill="#718096"/></marker></defs>
<rect width="{width}" height="{height}" rx="14" fill="#ffffff"/>"""

if __name__ == "__main__":
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    DRAWING.parent.mkdir(exist_ok=True)
    DRAWING.write_text(draw(), encoding="utf-8", newline="\n")
    print(f"wrote {DRAWING.relative_to(ROOT)}", file=sys.stderr)
