"""Files are opened for reading in `starchart.files.regular_file` alone, so that no pipe causes a hang."""

import ast

import pytest

from tests.house.source_tree import ROOT, parse, python_files

FILES = [*python_files(ROOT / "src"), *python_files(ROOT / "starport"), *ROOT.glob("*.py")]

# What opens a file whatever its arguments are, and what does so unless it is told to write.
READERS = {
    "read_bytes", "read_text", "copyfile", "copy", "copy2", "copytree", "move",
    "load_file", "safe_open", "fromfile", "memmap", "loadtxt",
}  # fmt: skip
MODULES_WITH_COPY = {"shutil"}
OPENERS = {"open", "FileIO", "ZipFile", "NamedTemporaryFile", "fdopen"}

# file, call: why it may
ALLOWED = {
    ("src/starchart/files/regular_file.py", "open(descriptor, 'rb')"): "the one place",
    ("src/starchart/files/regular_file.py", "os.open(path, _FLAGS)"): "the one place",
    ("src/starchart/engines/processors.py", "path.read_text('ascii', 'replace')"): "files of /proc and /sys, by name",
    ("src/starchart/box/unzipped.py", "ZipFile(file)"): "a zip file that the one place has opened",
    ("src/starchart/checkpoints/checkpoint.py", "kind.open(path)"): "a reader of a format, which opens as all do",
    ("starport/inspection/inspect.py", "kind.open(path)"): "a reader of a format",
    ("starport/verify/numpy_gpt2.py", "(folder / 'config.json').read_bytes()"): "a peer, which shares no code with us",
    ("starport/verify/torch_gpt2.py", "(folder / 'config.json').read_bytes()"): "a peer, which shares no code with us",
    ("starport/verify/numpy_gpt2.py", "load_file(file)"): "the library that our reader is compared with",
    ("starport/verify/torch_gpt2.py", "load_file(file)"): "the library that our reader is compared with",
    ("starport/training/training_state.py", "load_file(file)"): "the safetensors library, on files that train wrote",
}


def reading_calls(tree: ast.AST) -> list[str]:
    """Return the calls in `tree` that open a file for reading."""
    return [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call) and reads(node)]


def reads(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name.startswith("copy") and isinstance(call.func, ast.Attribute):  # not Recording.copy, dict.copy
        return name in READERS and ast.unparse(call.func.value) in MODULES_WITH_COPY
    if name in READERS:
        return True
    return name in OPENERS and not writes(call, is_method=isinstance(call.func, ast.Attribute))


def writes(call: ast.Call, is_method: bool) -> bool:
    """Return whether a call says in a constant that it writes, and does not read."""
    if ast.unparse(call.func) == "os.open":
        return "O_WRONLY" in ast.unparse(call)
    values = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    modes = [node.value for node in values if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    modes = [mode for mode in modes if mode and set(mode) <= set("rwaxbt+")]
    return any(set("wax") & set(mode) and "+" not in mode for mode in modes)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_are_opened_in_one_place(file):
    name = file.relative_to(ROOT).as_posix()
    allowed = {call for other, call in ALLOWED if other == name}
    assert {*reading_calls(parse(file))} == allowed


def test_every_exception_is_of_a_file_that_is_there():
    assert {name for name, _ in ALLOWED} <= {file.relative_to(ROOT).as_posix() for file in FILES}
    assert all(ALLOWED.values())


@pytest.mark.parametrize(
    "call",
    [
        "open(path)",
        "open(path, 'rb')",
        "open(file=path, mode='r+b')",
        "path.open()",
        "path.open('rb')",
        "path.open('a+')",
        "(folder / name).read_bytes()",
        "path.read_text('utf-8')",
        "os.open(path, os.O_RDONLY)",
        "io.open(path, mode)",
        "io.FileIO(path)",
        "ZipFile(path)",
        "shutil.copyfile(a, b)",
        "shutil.copy(a, b)",
    ],
)
def test_what_is_found(call):
    assert reading_calls(ast.parse(call)) == [ast.unparse(ast.parse(call))]


@pytest.mark.parametrize(
    "call",
    [
        "open(path, 'w')",
        "open(path, mode='xb')",
        "path.open('ab')",
        "archive.open(entry, 'w', force_zip64=True)",
        "os.open(os.devnull, os.O_WRONLY)",
        "path.write_text('r')",
        "values.copy()",
        "open_regular_file(path)",
    ],
)
def test_what_is_not(call):
    assert reading_calls(ast.parse(call)) == []
