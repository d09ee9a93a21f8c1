"""The chapters of docs/guide are true: their code, their pictures, the addresses that they give, and their form."""

import json
import re
import subprocess
import sys
from urllib.parse import parse_qs

import pytest

from starport.explorer.explorer import Explorer
from starport.guide.chapters import chapter_texts, pictures
from starport.guide.markdown import blocks
from starport.page.static_site import write_site
from tests.house.source_tree import ROOT
from tests.page.browser import launched, npm_file
from tests.page.served import explored, plainly_served
from tests.page.windows import READY, window
from tools.draw_guide import FOLDER, PICTURES

CHAPTERS = chapter_texts()
ADDRESSES = [(name, address) for name, text in CHAPTERS.items() for address in re.findall(r"`(#[^`]+)`", text)]
LONGEST = 150  # lines
# All code of one chapter, by a Python that finds nothing but its standard library and the clone.
BARE = r"""
import sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/src"]
from starport.guide.chapters import chapter_texts
from starport.guide.questions import code_blocks, run_code
done = run_code(("\n\n".join(code_blocks(chapter_texts()[sys.argv[2]])),))
sys.exit(0 if done["same"] else done["output"])
"""


def fields(address):
    """Return what an address says."""
    return {name: one for name, (one,) in parse_qs(address.removeprefix("#"), strict_parsing=True).items()}


def test_there_are_eight():
    assert [name[0] for name in CHAPTERS] == list("12345678")


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_code_needs_only_the_standard_library(name, tmp_path):
    command = [sys.executable, "-I", "-S", "-c", BARE, ROOT, name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_form_of_a_chapter(name):
    found = blocks(CHAPTERS[name])
    kinds = [block["kind"] for block in found]
    assert kinds[:2] == ["heading", "quote"]
    assert found[1]["text"][-1]["text"].endswith("?")
    assert kinds.count("picture") == 1
    assert len(found[kinds.index("picture")]["text"]) > 60  # what it shows, for those who cannot see it
    assert kinds[-1] == "details"
    titles = ["".join(piece["text"] for piece in block["text"]) for block in found if block["kind"] == "heading"]
    assert titles[-2:] == ["Experiment", "Exercises"]
    assert len(found[-2]["items"]) == 3
    answers = [block for block in found[-1]["blocks"] if block["kind"] == "list"]
    assert [block["start"] + i for block in answers for i in range(len(block["items"]))] == [1, 2, 3]
    assert sum("number" in block for block in found) >= 2
    assert "ource" in CHAPTERS[name] or re.search(r"\b(18|19|20)\d\d\b", CHAPTERS[name])
    assert len(CHAPTERS[name].splitlines()) <= LONGEST


def test_the_contents_name_every_chapter_and_its_question():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    for number, (name, text) in enumerate(CHAPTERS.items(), 1):
        (title,) = (piece["text"] for piece in blocks(text)[0]["text"])
        assert f"| {number} | [{title.removeprefix(f'{number}. ')}]({name}.md) | " in page


@pytest.mark.parametrize("name", PICTURES)
def test_the_committed_pictures_are_those_of_the_tool(name):
    assert pictures()[name].decode() == PICTURES[name](), "run python -m tools.draw_guide"


def test_every_picture_is_shown():
    sources = [block["source"] for text in CHAPTERS.values() for block in blocks(text) if block["kind"] == "picture"]
    assert sorted(sources) == sorted(f"guide/{name}" for name in pictures()) == sorted(f"guide/{n}" for n in PICTURES)


@pytest.fixture(scope="module")
def explorer():
    opened = Explorer("towel", "towel")
    yield opened
    opened.close()


def test_every_chapter_has_an_experiment():
    assert {name for name, _ in ADDRESSES} == set(CHAPTERS)


@pytest.mark.parametrize(("name", "address"), ADDRESSES)
def test_what_an_address_asks_for_is_there(explorer, name, address):
    said = fields(address)
    states = (ROOT / "starport/page/web/js/state.js").read_text(encoding="utf-8")
    assert set(said) <= set(re.findall(r"^  (\w+):", states, re.M))
    views = (ROOT / "starport/page/web/js/views/all.js").read_text(encoding="utf-8").partition("VIEWS = ")[2]
    assert said["view"] in re.findall(r"\w+", views)

    def ask(**request):
        found = explorer.answer(request, lambda *_: None)
        assert "error" not in found, found
        return found

    trace = ask(ask="trace", prompt=said["prompt"])
    if "added" in said:
        trace = ask(ask="trace", ids=trace["ids"] + json.loads(said["added"]))
    if "change" in said:
        trace = ask(ask="trace", ids=trace["ids"], change=json.loads(said["change"]))
    if "story" in said:
        value, index = said["story"].split(" ")
        ask(ask="number", trace=trace["trace"], name=value, index=[int(i) for i in index.split(",")])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with explored("--model", "towel") as (address, _), launched(tmp_path_factory.mktemp("profile")) as context:
        yield address, context


@pytest.mark.parametrize(("name", "address"), ADDRESSES)
def test_every_address_opens_in_the_page(site, name, address):
    served, context = site
    with window(context) as page:
        page.goto(f"{served}#view=guide&chapter={name}")
        page.wait_for_selector(READY)
        page.click(f'.chapter a[href="{address}"]')
        said = fields(address)
        page.wait_for_selector(f"{READY} #plate[data-view={said['view']}]")
        assert page.input_value("#prompt") == said["prompt"]
        assert page.locator("#story").is_visible() == ("story" in said)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_in_the_page(site, name):
    served, context = site
    with window(context) as page:
        page.goto(f"{served}#view=guide&chapter={name}")
        page.wait_for_selector(READY)
        page.wait_for_function("document.querySelector('.chapter img').naturalWidth > 0")
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        last = page.locator(".chapter .code >> nth=-1")
        last.get_by_role("button").click()
        last.locator(".output[data-same=true]").wait_for()


def test_the_chapters_run_in_a_browser_s_python(tmp_path):
    """One window for all of them: Python takes seconds to load."""
    write_site(f"{tmp_path}/site", "Once", str(npm_file("pyodide/pyodide.mjs").parent))
    with (
        plainly_served(tmp_path / "site") as served,
        launched(tmp_path / "profile") as context,
        window(context) as page,
    ):
        for name in CHAPTERS:
            page.goto(f"{served}#view=guide&chapter={name}")
            page.locator(f".contents [data-key='{name}'][aria-pressed=true]").wait_for()
            page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
            last = page.locator(".chapter .code >> nth=-1")
            last.get_by_role("button").click()
            last.locator(".output[data-same]").wait_for()
            assert last.locator(".output").get_attribute("data-same") == "true", last.inner_text()
