"""The floors of the house: imports only go down."""

from pathlib import Path

import pytest

from tests.house.source_tree import ROOT, SRC, imports, parse, python_files

# For every room and every file that stands by itself: what it may import of its own package, the bottom floor first.
STARCHART = {
    "utils": set(),
    "errors": set(),
    "files": {"errors"},
    "tap": {"errors"},
    "hub_cache": {"files"},
    "own_cache": {"errors"},
    "box": {"errors", "files", "hub_cache", "own_cache"},
    "tokenizer": {"box", "errors", "files"},
    "engine": {"tap"},
    "embeddings": {"engine", "tap", "utils"},
    "layers": {"engine", "errors", "tap", "utils"},
    "model": {"embeddings", "engine", "errors", "files", "layers", "tap", "utils"},
    "checkpoints": {"embeddings", "errors", "files", "layers", "model", "utils"},
    "engines": {"checkpoints", "embeddings", "engine", "errors", "files", "layers", "model", "own_cache", "tap"}
    | {"utils"},
    "value_graph": {"embeddings", "layers", "model", "utils"},
    "token_ids": {"errors"},
    "generation": {"errors", "model", "utils"},
    "named_weights": {"checkpoints", "model"},
    "gpt2": {"box", "checkpoints", "engine", "engines", "errors", "generation", "model", "named_weights", "tap"}
    | {"token_ids", "utils"},
    "__init__": {"gpt2", "tokenizer"},
    "lens": {"__init__", "errors", "model", "tap", "token_ids", "utils"},
}
STARPORT = {
    "terminal": set(),
    "engines": set(),
    "conversion": set(),
    "hub": {"terminal"},
    "scoring": {"terminal"},
    "inspection": {"terminal"},
    "training": {"conversion", "engines", "scoring", "terminal"},
    "verify": {"conversion", "engines", "hub", "terminal"},
    "explorer": {"terminal", "verify"},
    "guide": set(),
    "page": {"explorer", "guide"},
    "porting": {"conversion", "explorer", "terminal"},
    "commands": {"conversion", "engines", "explorer", "hub", "inspection", "page", "porting", "scoring", "terminal"}
    | {"training", "verify"},
    "cli": {"commands", "terminal"},
    "__main__": {"cli"},
    "__init__": set(),
}
PACKAGES = {"starchart": (SRC, STARCHART), "starport": (ROOT, STARPORT)}
MODULES = {
    ".".join(file.relative_to(base).with_suffix("").parts).removesuffix(".__init__"): file
    for package, (base, _) in PACKAGES.items()
    for file in python_files(base / package)
}


def room(module: str) -> str:
    """Return the room that a module stands in: its second name, `__init__` for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imported_modules(module: str) -> set[str]:
    """Return the modules that `module` imports from its own package."""
    package = module.partition(".")[0]
    names = [name for name, _ in imports(parse(MODULES[module])) if name.partition(".")[0] == package]
    return {name if name in MODULES else name.rpartition(".")[0] for name in names}


def argparse_uses(module: str) -> set[str]:
    """Return what `module` imports of argparse and of the rooms that use it."""
    names = {name for name, _ in imports(parse(MODULES[module]))}
    return {name for name in names if f"{name}.".startswith(("argparse.", "starport.commands.", "starport.cli."))}


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_go_down(module):
    here = room(module)
    floors = PACKAGES[module.partition(".")[0]][1]
    assert {room(other) for other in imported_modules(module)} - {here} <= floors[here]


@pytest.mark.parametrize("package", PACKAGES)
def test_floors_are_in_order(package):
    floors = PACKAGES[package][1]
    names = list(floors)
    for above, (name, below) in enumerate(floors.items()):
        assert below <= set(names[:above]), name
    assert {room(module) for module in MODULES if module.partition(".")[0] == package} == set(names)


def test_starport_s_floors_allow_only_what_is_imported():
    for name, below in STARPORT.items():
        here = [module for module in MODULES if module.startswith("starport") and room(module) == name]
        assert {room(other) for module in here for other in imported_modules(module)} >= below, name


def test_only_the_commands_know_argparse():
    inside = [module for module in MODULES if module.startswith("starport.commands.")]
    assert any("argparse" in argparse_uses(module) for module in inside)
    outside = {module: argparse_uses(module) for module in MODULES if module not in inside}
    assert {module: found for module, found in outside.items() if found} == {
        "starport.cli": {"starport.commands.command_line.run_command_line"},
        "starport.__main__": {"starport.cli.main"},
    }


def test_no_module_imports_itself_by_way_of_others():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for other in imported_modules(module):
                visit(other, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


def test_only_the_package_imports_the_class_on_top():
    importers = [module for module in MODULES if "starchart.gpt2" in imported_modules(module)]
    assert importers == ["starchart"]


def test_the_front_doors_open_on_starport_alone():
    for file in ROOT.glob("*.py"):
        assert tops(file) & {"starchart", "starport", "tests", "bench", "tools"} == {"starport"}, file.name


def tops(file: Path) -> set[str]:
    """Return the first names of what a file imports."""
    return {name.split(".")[0] for name, _ in imports(parse(file))}


def test_the_engine_does_not_know_starport_and_neither_knows_the_tests():
    for file in python_files(SRC):
        assert not tops(file) & {"starport", "tests", "bench", "tools"}, file
    for file in python_files(ROOT / "starport"):
        assert not tops(file) & {"tests", "bench", "tools"}, file
