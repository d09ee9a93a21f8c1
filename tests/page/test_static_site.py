"""The static site: what is written, and the page in a real Chromium with Python inside it."""

import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from starchart.errors import StarchartError
from starport.explorer.explorer import Explorer
from starport.page import static_site
from starport.page.pyodide import INTEGRITY, SIZES, VERSION, integrity_of
from starport.page.static_site import refusal, static_files, write_site
from starport.page.web_files import source_archive
from tests.page import shown_numbers
from tests.page.browser import launched, npm_file
from tests.page.served import ROOT, plainly_served
from tests.page.test_server import run
from tests.page.windows import READY, change_by, hash_of, show, window
from tools.make_zipapp import contents, write_zipapp

PROMPT = "Once upon a time"


@pytest.fixture(scope="module")
def pyodide():
    """Return the folder of Pyodide's npm package."""
    return npm_file("pyodide/pyodide.mjs").parent


@pytest.fixture(scope="module")
def site(tmp_path_factory, pyodide):
    folder = tmp_path_factory.mktemp("site") / "with spaces"
    done = run(PROMPT, "--out", folder, "--pyodide", pyodide)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(f"{folder}: 2")
    return folder


@pytest.fixture(scope="module")
def address(site):
    with plainly_served(site) as found:
        yield found


@pytest.fixture(scope="module")
def explorer():
    opened = Explorer("towel", "towel")
    yield opened
    opened.close()


def test_python_in_the_page(address, explorer, tmp_path):
    """One window for all of this: Python takes seconds to load."""
    with launched(tmp_path, viewport={"width": 1280, "height": 900}) as context, window(context) as page:
        page.goto(address)
        page.wait_for_selector("#status.shown")
        assert page.locator("#progress").count() == 1
        page.wait_for_selector(READY)
        assert page.input_value("#prompt") == PROMPT
        trace = shown_numbers.ask(explorer, ask="trace", prompt=PROMPT)
        assert shown_numbers.check(page, explorer, trace["trace"]) > 10
        settings = {"temperature": 0.8, "top_k": 40, "top_p": 1, "seed": 42, "draw": 0}
        for view in ("attention", "mlp", "contributions", "lens", "next", "change", "tokens", "guide"):
            change_by(page, lambda view=view: page.click(f"#plates a[data-view={view}]"))
            assert shown_numbers.check(page, explorer, trace["trace"], **settings) > 10 or view in ("tokens", "guide")
        page.evaluate("location.hash += '&story=h.2.attn.pattern 0,3,1'")
        page.wait_for_selector("#story .source")
        assert "def masked_softmax" in page.inner_text("#story .source pre")
        shown_numbers.check(page, explorer, trace["trace"])
        got = page.evaluate("starchart.trace('The little towel')")
        wanted = shown_numbers.ask(explorer, ask="trace", prompt="The little towel")
        assert (got["ids"], got["fingerprint"]) == (wanted["ids"], wanted["fingerprint"])
        for name, values in got["values"].items():
            assert values == shown_numbers.ask(explorer, ask="values", trace=wanted["trace"], name=name)["values"]
        # offline: the files that it was made of are kept
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        context.set_offline(True)
        show(page, address, PROMPT, view="map")
        assert shown_numbers.check(page, explorer, trace["trace"]) > 10


def test_what_is_written(site, pyodide):
    names = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    about = json.loads((site / "site.json").read_text())
    assert names == {*about["files"], "index.html", "service_worker.js"} - {"./"}
    assert about["prompt"] == PROMPT
    assert about["pyodide"] == "./pyodide/"
    assert about["version"] in (site / "service_worker.js").read_text()
    for name in INTEGRITY:
        assert (site / "pyodide" / name).read_bytes() == (pyodide / name).read_bytes()
    assert {stat.S_IMODE(path.stat().st_mode) & 0o444 for path in site.rglob("*") if path.is_file()} == {0o444}


def test_the_hashes_are_those_of_the_package(pyodide):
    assert json.loads((pyodide / "package.json").read_text())["version"] == VERSION
    for name, integrity in INTEGRITY.items():
        data = (pyodide / name).read_bytes()
        assert (integrity_of(data), len(data)) == (integrity, SIZES[name])
    lock = json.loads((pyodide / "pyodide-lock.json").read_text())
    assert static_site_of(None)["lock"]["info"] == lock["info"]


def static_site_of(pyodide):
    return json.loads(static_files(PROMPT, pyodide)["site.json"])


def test_where_pyodide_comes_from():
    assert static_site_of(None)["pyodide"] == f"https://cdn.jsdelivr.net/npm/pyodide@{VERSION}/"
    assert static_site_of("https://example.org/py")["pyodide"] == "https://example.org/py/"
    files = static_files(PROMPT, None)
    assert not [name for name in files if name.startswith("pyodide")]
    assert files["site.json"] == static_files(PROMPT, None)["site.json"]  # the same files give the same bytes


def test_the_archive_is_the_running_package():
    with zipfile.ZipFile(io.BytesIO(source_archive())) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert {"starchart/gpt2.py", "starchart/box/towel/model.safetensors", "starport/explorer/explorer.py"} <= set(held)
    for name, data in held.items():
        home = ROOT / "src" if name.startswith("starchart/") else ROOT
        assert data == (home / name).read_bytes()
    code = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "starchart").rglob("*.py")}
    assert code <= set(held)


def test_a_zipapp_writes_the_same_site(tmp_path):
    write_zipapp(tmp_path / "starchart.pyz", contents())
    program = "import sys; sys.path[:0] = [sys.argv[1] + '/src', sys.argv[1]]; from starport.cli import main;"
    command = [sys.executable, "-I", "-S", "-c", f"{program} sys.exit(main(sys.argv[2:]))", tmp_path / "starchart.pyz"]
    done = subprocess.run([*command, "explore", "--out", tmp_path / "site"], cwd=tmp_path, check=False, timeout=120)
    assert done.returncode == 0
    written = {path for path in (tmp_path / "site").rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path / "site").as_posix(): path.read_bytes() for path in written} == static_files(
        PROMPT, None
    )


@pytest.mark.parametrize("address", ["ftp://x", "file:///x", "https://", "http://["])
def test_an_address_that_browsers_cannot_fetch_is_refused(address):
    with pytest.raises(StarchartError, match=re.escape(f"--pyodide {address}: give an address that begins with https")):
        static_files(PROMPT, address)


def test_another_version_of_pyodide_is_refused(tmp_path, pyodide):
    for name in INTEGRITY:
        (tmp_path / name).write_bytes(b"another")
    done = run("--out", tmp_path / "site", "--pyodide", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"is not that of pyodide {VERSION}" in done.stderr
    done = run("--out", tmp_path / "site", "--pyodide", tmp_path / "nothing")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert not (tmp_path / "site").exists()


def test_a_site_is_replaced_whole(tmp_path):
    out = tmp_path / "site"
    write_site(str(out), "first", None)
    about = json.loads((out / "site.json").read_text())
    (out / "site.json").write_text(json.dumps(about | {"files": [*about["files"], "js/earlier.js"]}))
    (out / "js" / "earlier.js").write_text("x")  # of an older starchart
    write_site(str(out), "second", None)
    assert json.loads((out / "site.json").read_text())["prompt"] == "second"
    assert not (out / "js" / "earlier.js").exists()
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", ["thesis.txt", "js/mine.js", "mine/index.html", "folder/", "link"])
def test_a_site_with_another_file_in_it_is_not_replaced(tmp_path, name):
    out = tmp_path / "site"
    write_site(str(out), "first", None)
    if name == "link":
        (out / name).symlink_to(tmp_path)
    elif name.endswith("/"):
        (out / name).mkdir()
    else:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("x")
    with pytest.raises(StarchartError, match=f"has other files in it, such as {name.split('/')[0]}"):
        write_site(str(out), "second", None)
    assert (out / name).exists()
    assert json.loads((out / "site.json").read_text())["prompt"] == "first"
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_that_comes_while_the_site_is_written_is_kept(tmp_path, monkeypatch):
    out = tmp_path / "site"
    write_site(str(out), "first", None)

    def slowly(*arguments):
        (out / "thesis.txt").write_text("x")
        return static_files(*arguments)

    monkeypatch.setattr(static_site, "static_files", slowly)
    with pytest.raises(StarchartError, match=r"cannot be written: thesis\.txt"):
        write_site(str(out), "second", None)
    assert (out / "thesis.txt").read_text() == "x"
    assert json.loads((out / "site.json").read_text())["prompt"] == "first"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("text", ['{"name": "my shop"}', '{"files": ["thesis.txt"]}', "[", "", "[" * 10**5])
def test_another_site_json_is_not_ours(tmp_path, text):
    (tmp_path / "site.json").write_text(text)
    (tmp_path / "thesis.txt").write_text("x")
    assert "has other files in it" in refusal(str(tmp_path))
    (tmp_path / "thesis.txt").unlink()
    assert "has other files in it, such as site.json" in refusal(str(tmp_path))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="who is root may write everywhere")
def test_where_nothing_can_be_written(tmp_path):
    tmp_path.chmod(0o500)
    done = run("--out", tmp_path / "site")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "cannot be written" in done.stderr


def test_where_it_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    assert "has other files in it" in refusal(str(tmp_path / "mine"))
    assert "is not a folder" in refusal(str(tmp_path / "mine" / "thesis.txt"))
    assert "there is no folder" in refusal(str(tmp_path / "no" / "site"))
    assert refusal(str(tmp_path / "empty")) == ""
    assert "is empty" in refusal("")
    for target in ("empty", "nothing"):
        (tmp_path / f"to {target}").symlink_to(tmp_path / target)
        assert "this is a link" in refusal(str(tmp_path / f"to {target}"))
    assert "/dev" in refusal("/dev/site")
    done = run("--out", tmp_path / "mine")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "gpt2"], "the static site has towel"),
        (["--revision", "x"], "has towel"),
        (["--engine", "reference"], "--engine reference: the static site opens with packed"),
        (["--host", "127.0.0.1"], "--host is for the page that is served"),
        (["--port", "0"], "--port is for"),
        (["--workers", "1"], "--workers is for"),
        (["--precision", "fast"], "--precision is for"),
        (["--device", "cpu"], "--device is for"),
        (["a " * 600], "tokens; this model reads at most 512"),
    ],
)
def test_what_a_static_site_has_not(tmp_path, arguments, words):
    done = run("--out", tmp_path / "site", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert not (tmp_path / "site").exists()


def test_a_file_that_was_changed_on_its_way_is_refused(site, tmp_path):

    copy = tmp_path / "copy"
    shutil.copytree(site, copy)
    code = copy / "pyodide" / "pyodide.asm.mjs"
    code.write_bytes(code.read_bytes().replace(b"_createPyodideModule", b"_createpyodideModule"))
    with launched(tmp_path / "profile") as context, plainly_served(copy) as address:
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#alert:has-text('Python cannot be started')")
        page.close()


def table():
    page = (ROOT / "docs" / "FINGERPRINTS.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(.+)` \| (\w+)(?:, (\w+))? \| `([0-9a-f]{64})` \|$", page, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_published_bits(address, tmp_path):
    rows = table()
    assert len(rows) == 15
    assert len({prompt for prompt, *_ in rows}) == 5
    with launched(tmp_path) as context, window(context) as page:
        page.set_default_timeout(300_000)
        for prompt, engine, precision, fingerprint in rows:
            state, added = {"engine": engine, "precision": precision or "full"}, []
            for _ in range(2):  # greedy tokens: token 3 is drawn from the row after them
                move(page, address, prompt, view="next", temperature=0, added=added, **state)
                added.append(int(re.search(r"id (\d+)", page.get_attribute("#drawn .word", "title"))[1]))
            move(page, address, prompt, view="tokens", added=added, **state)
            assert page.get_attribute("#fingerprint", "data-fingerprint") == fingerprint
            assert page.inner_text("#badge .verdict").lower() == "published"


def move(page, address, prompt, **state):
    """Show a state in the window that is open already: Python need not be loaded again."""
    if not page.url.startswith(address):
        show(page, address, prompt, **state)
    else:
        change_by(page, lambda: page.evaluate("hash => { location.hash = hash; }", hash_of(prompt, **state)))


def test_another_prompt_is_another_version():
    """The service worker keeps all files anew only where its own bytes, which have the version, are others."""
    first, same, second = (static_files(prompt, None)["service_worker.js"] for prompt in ("one", "one", "two"))
    assert first == same != second


def test_an_interrupt_between_two_renames_leaves_the_site_that_was_there(tmp_path, monkeypatch):
    out = tmp_path / "site"
    write_site(str(out), "first", None)
    rename, calls = Path.rename, []

    def interrupted(old, new):
        calls.append(old)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return rename(old, new)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_site(str(out), "second", None)
    assert json.loads((out / "site.json").read_text())["prompt"] == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["site"]
