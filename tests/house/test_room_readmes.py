"""The pages of the rooms agree with the code: their examples run, and they name everything that is public."""

import ast
import doctest
import re

import pytest

from starchart.checkpoints.refusals import MOST_TENSORS
from starchart.checkpoints.safetensors.reader import MOST_AXES
from starchart.files.gguf_header import MAX_COUNT, MAX_HEAD_BYTES, MAX_ITEMS, MAX_STRING_BYTES
from starchart.files.json_file import MAX_JSON_BYTES, MAX_JSON_VALUES
from starchart.tokenizer.vocabulary import MAX_TOKENS
from starchart.utils.elementary.tables import FRACTION_BITS
from tests.house.source_tree import ROOT, SRC, parse

ROOMS = ["utils", "embeddings", "layers", "model", "value_graph", "lens"]
READING_ROOMS = sorted(
    init for room in ("checkpoints", "files") for init in (SRC / "starchart" / room).rglob("__init__.py")
)


def page(room):
    return SRC / "starchart" / room / "README.md"


@pytest.mark.parametrize("room", ROOMS)
def test_examples(room):
    failed, _ = doctest.testfile(str(page(room)), module_relative=False, encoding="utf-8")
    assert failed == 0


@pytest.mark.parametrize("room", ROOMS)
def test_everything_public_is_named(room):
    public = {
        node.name
        for file in page(room).parent.rglob("*.py")
        for node in parse(file).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    assert public - set(re.findall(r"\w+", page(room).read_text(encoding="utf-8"))) == set()


def test_every_file_of_the_tokenizer_is_named():
    named = set(re.findall(r"`(\w+\.py)`", page("tokenizer").read_text(encoding="utf-8")))
    assert {file.name for file in page("tokenizer").parent.glob("*.py")} - {"__init__.py"} == named


# page -> what it says, with the number that the code has
NUMBERS = {
    "src/starchart/utils/README.md": [f"in fixed-point integers with {FRACTION_BITS} binary places"],
    "src/starchart/files/README.md": [
        f"over {MAX_JSON_BYTES / 1e6:.0f} MB or with more than {MAX_JSON_VALUES:,} values"
    ],
    "src/starchart/checkpoints/README.md": [f"over {MAX_JSON_BYTES / 1e6:.0f} MB, nested too deeply"],
    "src/starchart/checkpoints/safetensors/README.md": [
        f"longer than the file or than {MAX_JSON_BYTES / 1e6:.0f} MB",
        f"more than {MOST_AXES} axes or {MOST_TENSORS:,} tensors, and a header over {MAX_JSON_BYTES / 1e6:.0f} MB",
    ],
    "src/starchart/checkpoints/llm_c/README.md": [f"over {MOST_TENSORS // 12:,} blocks"],
    "src/starchart/checkpoints/gguf/README.md": [
        f"more than {MAX_COUNT:,} tensors or entries, more than 2^{MAX_ITEMS.bit_length() - 1} strings in arrays",
        f"a header of more than {MAX_HEAD_BYTES >> 20} MB",
        f"a string of more than {MAX_STRING_BYTES >> 20} MB",
    ],
    "docs/SECURITY.md": [
        f"JSON is read up to {MAX_JSON_BYTES / 1e6:.0f} MB and {MAX_JSON_VALUES:,} values",
        f"a vocabulary up to 2^{MAX_TOKENS.bit_length() - 1} tokens",
        f"no GPT-2 has more than {MOST_TENSORS}",
    ],
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_those_of_the_code(name):
    text = " ".join((ROOT / name).read_text(encoding="utf-8").split())
    assert [words for words in NUMBERS[name] if words not in text] == []


@pytest.mark.parametrize("init", READING_ROOMS, ids=lambda init: init.parent.name)
def test_every_file_that_reads_files_is_named(init):
    words = set(re.findall(r"\w+", (init.parent / "README.md").read_text(encoding="utf-8")))
    files = {file.stem for file in init.parent.glob("*.py")} - {"__init__"}
    rooms = {inner.parent.name for inner in init.parent.glob("*/__init__.py")}
    assert (files | rooms) - words == set()


@pytest.mark.parametrize(
    "room",
    [
        *("commands", "conversion", "engines", "explorer", "guide", "inspection", "page", "porting", "scoring"),
        *("terminal", "verify"),
    ],
)
def test_every_file_of_a_room_of_starport_is_named(room):
    folder = ROOT / "starport" / room
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert {file.name for file in folder.glob("*.py")} - {"__init__.py"} == set(re.findall(r"`(\w+\.py)`", text))
    assert "**Read first**" in text


def test_every_room_of_starport_has_a_page():
    assert [
        init.parent.name for init in ROOT.glob("starport/*/__init__.py") if not (init.parent / "README.md").is_file()
    ] == []


@pytest.mark.parametrize(
    "file",
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *SRC.rglob("*.md"), *ROOT.glob("starport/**/*.md")],
    ids=lambda file: file.relative_to(ROOT).as_posix(),
)
def test_links_lead_somewhere(file):
    links = re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (file.parent / link).exists()] == []
