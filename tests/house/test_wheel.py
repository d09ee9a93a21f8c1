"""The wheel: what is in it, and that it runs where nothing else is installed. Needs no network."""

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import starchart
from starport.page.static_site import static_files
from tests.house.same_text import RUN_GPT2
from tests.house.source_tree import ROOT, python_files
from tests.tiny_model import write_tiny_model

PACKAGES = (ROOT / "src" / "starchart", ROOT / "starport")
BOX = [file for file in (ROOT / "src/starchart/box").glob("*/*") if file.parent.name != "__pycache__"]


def output(*command, cwd=None):
    """Return what a command writes to standard output; it must succeed, and no variable leads it to the tree."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    output(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory):
    """Return the console command `starchart` of a virtual environment that holds the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    install = ("-m", "pip", "--python", programs / "python", "install", "-q", "--no-deps", "--no-index", wheel)
    output(sys.executable, *install)
    return programs / "starchart"


def test_contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name) for name in archive.namelist()}
    code = {file.relative_to(package.parent) for package in PACKAGES for file in python_files(package)}
    assert {name for name in names if name.suffix == ".py"} == code
    boxed = {file.relative_to(ROOT / "src") for file in BOX}
    assert len(boxed) >= 9
    assert {name for name in names if name.parts[:2] == ("starchart", "box") and name.suffix != ".py"} == boxed
    assert {Path("starchart/py.typed"), Path("starport/py.typed")} <= names
    information = f"starchart-{starchart.__version__}.dist-info"
    assert {name.parts[0] for name in names} == {"starchart", "starport", information}
    licenses = {Path(information, "licenses", name) for name in ("LICENSE", "src/starchart/box/gpt2/LICENSE")}
    assert licenses <= names


def test_the_box_is_in_the_source_distribution(tmp_path):
    output(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path, cwd=ROOT)
    with tarfile.open(tmp_path / f"starchart-{starchart.__version__}.tar.gz") as archive:
        names = set(archive.getnames())
    boxed = {f"starchart-{starchart.__version__}/{file.relative_to(ROOT).as_posix()}" for file in BOX}
    assert boxed - names == set()


def test_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        information = f"starchart-{starchart.__version__}.dist-info"
        metadata = archive.read(f"{information}/METADATA").decode()
    assert f"\nVersion: {starchart.__version__}\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert not [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]


def test_version_and_help(command, tmp_path):
    assert output(command, "--version", cwd=tmp_path).decode().split() == ["starchart", starchart.__version__]
    assert b"--max-new-tokens" in output(command, "generate", "--help", cwd=tmp_path)


def test_it_runs_from_the_wheel(command, tmp_path):
    python = command.with_name("python")
    place = output(
        python, "-c", "import starchart, starport; print(starchart.__file__, starport.__file__)", cwd=tmp_path
    )
    assert str(ROOT / "src") not in place.decode()
    assert place.decode().count("site-packages") == 2


def test_the_page_is_in_it(command, tmp_path):
    output(command, "explore", "--out", "site", cwd=tmp_path)
    written = {path for path in (tmp_path / "site").rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path / "site").as_posix(): path.read_bytes() for path in written} == static_files(
        "Once upon a time", None
    )


def test_the_vocabulary_of_gpt2_is_in_it(command, tmp_path):
    told = output(command, "tokenize", "Once upon a time", "--json", cwd=tmp_path)
    assert json.loads(told)["ids"] == [7454, 2402, 257, 640]


@pytest.mark.parametrize("settings", [(), ("--temperature", "0"), ("--top-k", "3", "--top-p", "0.9", "--no-echo")])
def test_it_tells_what_the_tree_tells(command, tmp_path, settings):
    arguments = ("on the", "--model", write_tiny_model(tmp_path), "--seed", "6", "--max-new-tokens", "8", *settings)
    told = output(command, "generate", *arguments, cwd=tmp_path)
    assert told.strip() not in (b"", b"on the")  # a text of nothing would prove nothing
    assert told == output(sys.executable, RUN_GPT2, *arguments, cwd=tmp_path)
