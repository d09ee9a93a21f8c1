"""Reads the architecture from the code: rooms, their files, and which rooms import which.

A room is a package. A package inside it is listed among its files, with a slash, and its imports count as imports of
the outer room. Some files get a box of their own: the front doors at the root, and a file directly in starchart or
starport if a room of that package imports it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

Edges = set[tuple[str, str]]


def module_files() -> dict[str, Path]:
    """Return the modules of the house and its front doors by their full names."""
    files = {file.stem: file for file in sorted(ROOT.glob("*.py"))}
    for base in (ROOT / "src", ROOT):
        for file in sorted([*base.glob("starchart/**/*.py"), *base.glob("starport/**/*.py")]):
            files[".".join(file.relative_to(base).with_suffix("").parts).removesuffix(".__init__")] = file
    return files


def single_files(imports: dict[str, set[str]], files: dict[str, Path]) -> set[str]:
    """Return the modules directly in a package that a room of that package, or another such module, imports."""
    flat = {module for module in files if module.count(".") == 1 and files[module].name != "__init__.py"}
    found: set[str] = set()
    users = {module for module in files if "." in module} - flat
    while new := {b for a in users for b in imports[a] & flat if a.split(".")[0] == b.split(".")[0]} - found:
        found |= new
        users = new
    return found


def room_of(module: str, files: dict[str, Path], single: set[str]) -> str:
    """Return the room of a module: the first two names of its package; single files stand by themselves."""
    package = module if files[module].name == "__init__.py" else module.rpartition(".")[0]
    return files[module].name if module in single or not package else ".".join(package.split(".")[:2])


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
    """Return the rooms with the names of their files, and which room imports which."""
    files = module_files()
    imports = {module: set(imported(module, files)) for module in files}
    single = single_files(imports, files)
    rooms: dict[str, list[str]] = {}
    edges: Edges = set()
    for module, file in files.items():
        room = room_of(module, files, single)
        names = rooms.setdefault(room, [])
        inner = module.removeprefix(f"{room}.").split(".")
        if file.name == "__init__.py" and len(inner) == 1 and module != room:
            names.append(f"{inner[0]}/")
        elif file.name not in ("__init__.py", room) and len(inner) == 1:
            names.append(file.stem)
        edges |= {(room, room_of(other, files, single)) for other in imports[module]}
    return rooms, {(a, b) for a, b in edges if a != b}


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
