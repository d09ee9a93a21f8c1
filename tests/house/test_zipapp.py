"""`starchart.pyz`: one file that does what run_gpt2.py does, on every Python, with nothing else installed."""

import json
import os
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.children import started
from tests.house.same_text import RUN_GPT2
from tests.house.source_tree import ROOT
from tests.interpreters import every_python
from tests.tokenizer.gpt2_vocabulary import CASES
from tools.make_zipapp import refusal

STORY = ("Once upon a time", "--seed", "3", "--max-new-tokens", "8", "--json")
SAME = ("generated_ids", "text", "fingerprint", "prompt_ids", "workers")


def make(*arguments, before=""):
    """Run the tool in a Python of its own, after some statements."""
    program = f"import sys; from tools.make_zipapp import main; {before}\nsys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def zipapp(tmp_path_factory):
    file = tmp_path_factory.mktemp("with spaces") / "star chart.pyz"
    done = make("--out", file)
    assert (done.returncode, done.stderr) == (0, "")
    return file


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that starts a program in an empty folder, with an empty cache and a temporary folder."""
    for name in ("cache", "empty", "temporary"):
        (tmp_path / name).mkdir()
    variables = {"STARCHART_CACHE": "cache", "TMPDIR": "temporary", "TEMP": "temporary", "TMP": "temporary"}
    for name, folder in variables.items():
        monkeypatch.setenv(name, str(tmp_path / folder))

    with ExitStack() as ends:

        def start(python, *arguments):
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            command = [python, "-I", "-S", *arguments]
            return ends.enter_context(started(command, cwd=tmp_path / "empty", **pipes))

        yield start


def told(process):
    """Return what a program that must succeed has printed."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return output


def story(output):
    return {name: json.loads(output)[name] for name in SAME}


@pytest.mark.parametrize("python", every_python())
def test_it_tells_what_run_gpt2_tells(zipapp, run, tmp_path, python):
    for options in (("--workers", "2"), ("--engine", "reference")):
        expected = story(told(run(sys.executable, RUN_GPT2, *STORY, *options)))
        assert len(expected["generated_ids"]) == 8
        assert story(told(run(python, zipapp, *STORY, *options))) == expected
    assert list((tmp_path / "empty").iterdir()) == []
    assert list((tmp_path / "temporary").iterdir()) == []


def test_help_names_the_file(zipapp, run):
    assert told(run(sys.executable, zipapp, "--help")).startswith(b"usage: python star chart.pyz ")
    assert told(run(sys.executable, RUN_GPT2, "--help")).startswith(b"usage: python run_gpt2.py ")


def test_a_model_elsewhere_unpacks_nothing(zipapp, run, tmp_path):
    process = run(sys.executable, zipapp, "--model", str(tmp_path / "nothing"))
    assert process.communicate(timeout=60)[1].decode().startswith("starchart: no such file or folder")
    assert process.returncode == 2
    assert list((tmp_path / "cache").iterdir()) == []


def test_programs_that_start_together(zipapp, run, tmp_path):
    programs = [run(sys.executable, zipapp, *STORY, "--no-pack-cache", "--workers", "1") for _ in range(4)]
    assert len({json.dumps(story(told(process))) for process in programs}) == 1
    (folder,) = (tmp_path / "cache" / "box").iterdir()
    boxed = ROOT / "src" / "starchart" / "box" / "towel"
    assert {file.name for file in folder.iterdir()} == {file.name for file in boxed.iterdir()}
    assert all((folder / file.name).read_bytes() == file.read_bytes() for file in boxed.iterdir())


def test_without_a_cache_it_is_unpacked_and_removed(zipapp, run, tmp_path):
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").write_text("no folder")
    assert story(told(run(sys.executable, zipapp, *STORY, "--workers", "2")))["workers"] == 2
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("python", every_python())
def test_python_imports_from_it(zipapp, run, python):
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1] + '/src'); from starchart import GPT2, Tokenizer;"
        "gpt2 = Tokenizer.from_pretrained('gpt2'); print(json.dumps([gpt2.encode(text) for text in sys.argv[2:]]))"
    )
    texts = [case["text"] for case in CASES if "\0" not in case["text"]]
    assert json.loads(told(run(python, "-c", program, zipapp, *texts))) == [
        case["ids"] for case in CASES if "\0" not in case["text"]
    ]


def test_what_is_in_it(zipapp):
    with zipfile.ZipFile(zipapp) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        assert archive.testzip() is None
        held = {name: archive.read(name) for name in names}
    assert names == sorted(names)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    box = [f"src/starchart/box/{name}" for name in ("towel/model.safetensors", "gpt2/merges.txt", "gpt2/LICENSE")]
    assert {"__main__.py", "LICENSE", "starport/cli.py", *box} <= set(names)
    assert held.pop("__main__.py") == RUN_GPT2.read_bytes()
    assert all(data == (ROOT / name).read_bytes() for name, data in held.items())
    assert zipapp.read_bytes().startswith(b"#!/usr/bin/env python3\n")


def test_the_same_files_give_the_same_bytes(zipapp, tmp_path):
    before = (
        "import os, time; os.environ['TZ'] = 'Asia/Tokyo'; os.umask(0o077); hasattr(time, 'tzset') and time.tzset()"
    )
    assert make("--out", tmp_path / "again.pyz", before=before).returncode == 0
    assert (tmp_path / "again.pyz").read_bytes() == zipapp.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="no limit of that kind here")
def test_a_write_that_fails_changes_nothing(tmp_path):
    out = tmp_path / "starchart.pyz"
    out.write_text("what was there")
    before = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))"
    done = make("--out", out, before=before)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"make_zipapp: --out {out}: cannot be written: File too large\n"
    assert {file: file.read_text() for file in tmp_path.iterdir()} == {out: "what was there"}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "the following arguments are required: --out"),
        (["--out", "a.pyz", "b.pyz"], "unrecognized arguments: b.pyz"),
    ],
    ids=str,
)
def test_bad_options_are_one_line(arguments, fault):
    done = make(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        f"make_zipapp: {fault}; --help lists the options\n",
    )


def a_pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe.pyz")
    return str(folder / "pipe.pyz")


@pytest.mark.skipif(os.name == "nt", reason="no pipes with a name here")
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (str, "is a folder; give the path of a file, such as starchart.pyz"),
        (lambda folder: f"{folder}/new/", "is a folder; give the path of a file, such as starchart.pyz"),
        (lambda folder: "", "is empty; give a path"),
        (lambda folder: f"{folder}/no/x.pyz", "there is no folder {folder}/no; make it first"),
        (a_pipe, "is no regular file; give the path of a file, such as starchart.pyz"),
    ],
    ids=["folder", "slash", "empty", "missing", "pipe"],
)
def test_where_it_cannot_be_written(tmp_path, name, fault):
    out = name(tmp_path)
    done = make("--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"make_zipapp: --out {out}: {fault.format(folder=tmp_path)}\n"
    assert [path for path in tmp_path.iterdir() if path.suffix != ".pyz"] == []


@pytest.mark.skipif(os.name == "nt", reason="no /dev here")
def test_devices_are_not_replaced(tmp_path):
    (tmp_path / "link.pyz").symlink_to("/dev/starchart.pyz")
    (tmp_path / "null.pyz").symlink_to(os.devnull)
    for out in ("/dev/starchart.pyz", "/dev/shm/../starchart.pyz", str(tmp_path / "link.pyz")):
        assert refusal(out) == "/dev is for devices; give a path in another folder"  # asked only: nothing is written
    for out in (os.devnull, str(tmp_path / "null.pyz")):
        assert refusal(out) == "is no regular file; give the path of a file, such as starchart.pyz"
