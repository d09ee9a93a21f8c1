"""Reads the architecture from the code: rooms, their files, and which rooms import which.

A room is a package; one inside another is named among its files, with a slash, and its imports are those of the room
around it. The files of starchart that several rooms use and the front doors at the root stand by themselves.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SINGLE_FILES = {f"starchart.{name}" for name in ("engine", "errors", "hub_cache", "tap")}

Edges = set[tuple[str, str]]


def module_files() -> dict[str, Path]:
    """Return the modules of the house and its front doors by their full names."""
    files = {file.stem: file for file in sorted(ROOT.glob("*.py"))}
    for base in (ROOT / "src", ROOT):
        for file in sorted([*base.glob("starchart/**/*.py"), *base.glob("starport/**/*.py")]):
            files[".".join(file.relative_to(base).with_suffix("").parts).removesuffix(".__init__")] = file
    return files


def room_of(module: str, files: dict[str, Path]) -> str:
    """Return the room of a module: the first two names of its package; single files stand by themselves."""
    package = module if files[module].name == "__init__.py" else module.rpartition(".")[0]
    return files[module].name if module in SINGLE_FILES or not package else ".".join(package.split(".")[:2])


def imported(module: str, files: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of the house that a module imports, wherever the import stands."""
    for node in ast.walk(ast.parse(files[module].read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            found = name if name in files else name.rpartition(".")[0]
            if found in files:
                yield found


def read_house() -> tuple[dict[str, list[str]], Edges]:
    """Return the rooms with the names of their files, and which room imports which.

    A file that stands in no room may be used by every room (starport/console): an arrow back up would be a circle.
    """
    files = module_files()
    rooms: dict[str, list[str]] = {}
    edges: Edges = set()
    for module, file in files.items():
        room = room_of(module, files)
        names = rooms.setdefault(room, [])
        inner = module.removeprefix(f"{room}.").split(".")
        if file.name == "__init__.py" and len(inner) == 1 and module != room:
            names.append(f"{inner[0]}/")
        elif file.name not in ("__init__.py", room) and len(inner) == 1:
            names.append(file.stem)
        edges |= {(room, room_of(other, files)) for other in imported(module, files)}
    return rooms, {(a, b) for a, b in edges if not f"{a}.".startswith(f"{b}.")}


def without_implied(edges: Edges) -> Edges:
    """Return the edges that no path of other edges implies.

    >>> sorted(without_implied({("a", "b"), ("b", "c"), ("a", "c")}))
    [('a', 'b'), ('b', 'c')]
    """
    return {(a, b) for a, b in edges if not any(b in below(c, edges) for c in direct(a, edges) - {b})}


def direct(room: str, edges: Edges) -> set[str]:
    """Return the rooms that `room` imports itself."""
    return {b for a, b in edges if a == room}


def below(room: str, edges: Edges) -> set[str]:
    """Return the rooms that `room` imports, and those that they import, down to the ground."""
    found: set[str] = set()
    to_visit = direct(room, edges)
    while to_visit:
        found |= to_visit
        to_visit = {c for b in to_visit for c in direct(b, edges)} - found
    return found


def levels(rooms: set[str], edges: Edges) -> dict[str, int]:
    """Return the floor of each room, 0 at the ground: directly below the lowest room that imports it.

    All of starchart lies below all of starport, whether an import says so or not.
    """
    stairs = edges | {(room, "starchart") for room in rooms if room.startswith("starport")}
    depth = dict.fromkeys(rooms, 0)
    for _ in rooms:
        for a, b in stairs:
            depth[b] = max(depth[b], depth[a] + 1)
    return {room: max(depth.values()) - depth[room] for room in rooms}
