"""`compare.py`: what it prints and writes, its exit codes, and that no failure is overlooked."""

import io
import json
import os
import subprocess
import sys
from types import ModuleType

import pytest

from starport.cli import main
from starport.commands.result_file import write_result
from starport.verify import run_checks
from starport.verify.check import Check, Measure
from starport.verify.components import COMPONENTS, LIBRARIES, WITH_VOCABULARY
from starport.verify.report import Cascade, ComponentResult
from tests.house.source_tree import ROOT
from tests.tiny_model import write_tiny_model

NEEDED = "needed are vocab.json and merges.txt, or tokenizer.json"
GOOD = Check(
    "utils", "one", True, "fine", {"sets": {"large": {"numpy": float("inf"), "ours": 0.5}}},
    Measure(0.26, 0.52, "ulp", {"PyTorch": 8.29e15, "float32": float("inf")}, "large"), "largest: 3 / 8 ulp",
    {"right": 0.9999, "=PyTorch": 0.25},
)  # fmt: skip
BETTER = Check("utils", "two", True, "", {}, Measure(0.1, 1.0, "ulp"))
EXACT = Check(
    "utils", "four", True, "", {}, Measure(0.5, 0.5, "ulp")
)  # correctly rounded: its ratio of 100 % is no warning
BAD = Check("layers", "three", False, "h.0.ln_1 differs", {}, Measure(2.0, 1.0, "ulp"))
NOT_RUN = Check("published", "facts", True, "not run: no weights here", note="looked everywhere", run=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_tiny_model(tmp_path_factory.mktemp("compare")))


@pytest.fixture
def components(monkeypatch):
    """Replace the components by some with the results that a test chooses."""

    def put(**found):
        for name in list(COMPONENTS):
            monkeypatch.delitem(COMPONENTS, name)
        for name, checks in found.items():
            module = ModuleType(f"fake_{name}")
            module.checks = checks if callable(checks) else (lambda model, checks=checks: iter(checks))
            monkeypatch.setitem(sys.modules, module.__name__, module)
            monkeypatch.setitem(COMPONENTS, name, module.__name__)
            monkeypatch.setitem(LIBRARIES, name, ())

    return put


def compare(model, *arguments):
    return main(["compare", "--model", model, *arguments], program="python compare.py")


def test_what_passes_and_what_fails(model, components, capsys):
    components(utils=[GOOD, BETTER, EXACT], published=[NOT_RUN])
    assert compare(model) == 0
    out = capsys.readouterr().out.splitlines()
    title = out.index(next(line for line in out if line.startswith("utils")))
    assert out[title].split() == [
        "utils",
        "ours",
        "/",
        "bound",
        "NumPy",
        "PyTorch",
        "float32",
        "right",
        "=NumPy",
        "=PyTorch",
    ]
    assert out[title + 1].split() == [
        "ok",
        "one",
        "0.26",
        "/",
        "0.52",
        "ulp",
        "-",
        "8.3e15",
        "inf",
        "99.9",
        "%",
        "25.0",
        "%",
        "large;",
        "fine",
    ]
    assert out[title + 1].index("0.52") == out[title].index("bound")
    assert out[title + 1].index("8.3e15") + 6 == out[title].index("PyTorch") + 7
    assert out[title + 1].index("25.0 %") + 6 == out[title].index("=PyTorch") + 8
    assert out[title + 2].split() == ["largest:", "3", "/", "8", "ulp"]
    table = out[next(n for n, line in enumerate(out) if "worst error / bound" in line) :]
    assert table[1].split()[:5] == ["ok", "utils", "3", "0", "0"]
    assert table[1].endswith("100 %  four: 0.5 / 0.5 ulp")  # worst error / bound
    assert table[2].split()[:5] == ["-", "published", "0", "0", "1"]
    assert table[2].endswith("not run: no weights here")
    assert table[3].split()[:5] == ["ok", "all", "3", "0", "1"]
    assert [line.partition(":")[0] for line in table[5:]] == [
        "ours / bound",
        "NumPy, PyTorch (float64), float32 (PyTorch in float32), transformers",
        table[7],
        "right",
        "ulp",
        "utils",
    ]
    assert max(map(len, out)) <= 140
    assert ["-", "facts", "not", "run:", "no", "weights", "here"] in [line.split() for line in out]
    assert ["looked", "everywhere"] in [line.split() for line in out]
    assert not any(line != line.rstrip() for line in out)
    components(utils=[GOOD], layers=[BAD])
    assert compare(model) == 1
    out = capsys.readouterr().out
    assert ["FAILED", "three", "h.0.ln_1", "differs"] in [line.split() for line in out.splitlines()]
    assert "failed first: three" in out
    assert ["FAILED", "all", "1", "1", "0"] in [line.split()[:5] for line in out.splitlines()]
    assert compare(model, "--only", "utils") == 0
    assert "layers" not in capsys.readouterr().out


def test_an_exception_is_a_failed_check_and_the_rest_goes_on(model, components, capsys):
    def breaks(model):
        yield GOOD
        raise ZeroDivisionError("in the\nmiddle")

    components(utils=breaks, layers=[GOOD])
    assert compare(model) == 1
    captured = capsys.readouterr()
    assert "did not finish" in captured.out
    assert "ZeroDivisionError: in the middle" in captured.out
    assert ["FAILED", "all", "2", "1", "0"] in [line.split()[:5] for line in captured.out.splitlines()]
    assert captured.err == ""


def test_a_component_that_checks_nothing_fails(model, components):
    components(utils=[])
    assert compare(model) == 1


def test_the_text_goes_to_the_component_that_takes_it(model, components):
    given = []

    def takes(*arguments):
        given.append(len(arguments))
        yield GOOD

    components(utils=takes, published=takes)
    assert compare(model) == compare(model, "--text", __file__) == 0
    assert given == [1, 1, 1, 2]


def test_json_holds_everything(model, components, capsys, tmp_path):
    components(utils=[GOOD], layers=[BAD])
    file = tmp_path / "report.json"
    assert compare(model, "--json", str(file)) == 1
    told = json.loads(file.read_text(encoding="utf-8"))
    assert told["passed"] is False
    assert [component["failed"] for component in told["components"]] == [0, 1]
    assert told["checks"][0]["values"] == {"sets": {"large": {"numpy": "inf", "ours": 0.5}}}
    assert told["checks"][0]["measure"] == {
        "ours": 0.26, "bar": 0.52, "unit": "ulp", "peers": {"PyTorch": 8.29e15, "float32": "inf"}, "at": "large",
        "share_of_the_bar": 0.5,
    }  # fmt: skip
    assert [component["nearest"] for component in told["components"]] == ["one", None]
    assert told["checks"][0]["shares"] == {"right": 0.9999, "=PyTorch": 0.25}
    assert told["checks"][1]["finding"] == BAD.finding
    capsys.readouterr()
    assert compare(model, "--json", "-") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["checks"] == told["checks"]
    assert "FAILED three" in captured.err
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "everything"], "--only"),
        (["--json", "no/such/folder/report.json"], "not a file in an existing folder"),
        (["--json", ""], "not a file"),
        (["--text", "no_such_text"], "no such file"),
        (["--text", __file__, "--only", "utils"], "--text is for the component published"),
        (["--model", "no-such-model"], "no model 'no-such-model'"),
    ],
)
def test_bad_input_is_one_line(arguments, said, model, components, capsys):
    components(utils=[GOOD], published=[NOT_RUN])
    assert compare(model, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1


def test_a_damaged_model_is_bad_input(tmp_path, components, capsys):
    components(utils=[GOOD])
    folder = write_tiny_model(tmp_path)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-8])
    assert compare(str(folder)) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_missing_libraries_are_named(model, components, monkeypatch, capsys):
    components(utils=[GOOD])
    monkeypatch.setitem(LIBRARIES, "utils", ("json", "no_such_library", "none_such"))
    assert compare(model) == 2
    assert "pip install no_such_library none_such`" in capsys.readouterr().err

    def imports(model):
        import no_such_library  # noqa: PLC0415

        yield no_such_library

    components(utils=imports)
    assert compare(model) == 2
    assert "pip install no_such_library`" in capsys.readouterr().err


def test_a_component_of_ours_that_is_missing_fails(components):
    components(utils=[GOOD])
    COMPONENTS["utils"] = "starport.verify.no_such_component"
    (check,) = run_checks.run_component("utils", ROOT)
    assert not check.passed


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "coloured"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (io.StringIO, {}, False),
    ],
)
def test_colour_on_a_terminal_only(stream, variables, coloured, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out = stream()
    cascade = Cascade(out)
    cascade.check(BAD)
    cascade.table([ComponentResult("layers", [BAD])])
    assert ("\x1b[" in out.getvalue()) == coloured


def test_every_component_says_what_it_needs():
    assert list(LIBRARIES) == list(COMPONENTS)


def test_the_front_door_from_a_bare_python():
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "compare.py"), "--only", "utils"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "pip install mpmath numpy torch`" in run.stderr


def test_nothing_that_could_be_checked_is_no_proof(model, components, capsys):
    components(utils=[GOOD], published=[NOT_RUN])
    assert compare(model, "--only", "published") == 2
    told = capsys.readouterr()
    assert told.err == "starchart: nothing was checked: no weights here\n"
    assert ["-", "all", "0", "0", "1"] in [line.split()[:5] for line in told.out.splitlines()]
    assert compare(model, "--only", "published", "--json", "-") == 2
    assert json.loads(capsys.readouterr().out)["passed"] is False
    assert compare(model) == 0


def test_the_front_door_proves(model, tmp_path):
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "compare.py"), "--only", "published", "--model", model],
        check=False, capture_output=True, text=True, timeout=60, env={"HF_HUB_CACHE": str(tmp_path)},
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (2, "starchart: nothing was checked: no official weights here\n")
    assert "not run: no official weights here" in run.stdout
    assert ["-", "all", "0", "0", "1"] in [line.split()[:5] for line in run.stdout.splitlines()]
    assert "ours / bound" not in run.stdout


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_result(str(pipe), "{}")
        assert os.read(reader, 10) == b"{}\n"
        assert pipe.is_fifo()
    finally:
        os.close(reader)


def test_a_vocabulary_is_asked_for_by_the_components_that_read_one(tmp_path, components, capsys):
    model = write_tiny_model(tmp_path / "model")
    (model / "vocab.json").unlink()
    (model / "merges.txt").unlink()
    components(model=[GOOD], tokenizer=[GOOD])
    assert compare(str(model), "--only", "model") == 0
    told = capsys.readouterr()
    assert (told.err, "is written to safetensors" in told.out) == ("", False)  # the peers read the model as it is
    assert compare(str(model), "--only", "tokenizer") == compare(str(model)) == 2
    assert capsys.readouterr().err == f"starchart: {model}: no vocab.json and no merges.txt; {NEEDED}\n" * 2


def test_the_components_that_read_a_vocabulary_are_components():
    assert set(WITH_VOCABULARY) < set(COMPONENTS)


def test_a_text_that_is_a_folder(model, components, tmp_path, capsys):
    components(published=lambda model, text=None: iter([NOT_RUN]))
    assert compare(model, "--text", str(tmp_path)) == 2
    assert f"--text {tmp_path}: cannot be read: it is a folder, not a regular file" in capsys.readouterr().err
