"""The chapters as data: Markdown without HTML, code that runs, and nothing else that runs."""

import json
import threading

import pytest

from starport.explorer.explorer import Explorer
from starport.guide import chapters
from starport.guide.markdown import blocks, inline
from starport.guide.questions import QUESTIONS, code_blocks, run_code
from starport.page.answers import answer
from starport.page.questions import Questions
from starport.page.server import PageServer
from tests.page.browser import launched
from tests.page.windows import READY, window

CHAPTER = """# How does `attention` work?

Text with **strong**, *em*, a [place](#prompt=The%20fox&view=lens) and a [file](../GLOSSARY.md),
on two lines. <b>No HTML</b>.

![three tokens](picture.svg)

```python
>>> from starchart.utils.softmax import softmax
>>> softmax([1.0, 1.0])
[0.5, 0.5]
```

- one `x`
  goes on
- two

1. first
2. second

> What is `q`?

| token | weight |
|---|---:|
| a | **0.5** |

```
no code to run
```

<details><summary>Answer to *1*</summary>

```python
>>> for x in softmax([2.0, 2.0]):
...     print(x)
0.5
0.25
```

</details>

## The next part
"""
HOSTILE = "# <img src=x onerror=alert(1)>\n\n[x](javascript:alert(1)) <script>alert(1)</script>\n"
FILES = {
    "1-attention.md": CHAPTER.encode(),
    "2-hostile.md": HOSTILE.encode(),
    "picture.svg": b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><path d="M0 0h4"/></svg>',
}


@pytest.fixture
def guide(monkeypatch):
    monkeypatch.setattr(chapters, "guide_files", lambda: FILES)


def ask(name, /, **fields):
    return QUESTIONS[name](fields)


def test_the_blocks_of_a_chapter():
    found = blocks(CHAPTER)
    assert [block["kind"] for block in found] == [
        *("heading", "paragraph", "picture", "code", "list", "list", "quote", "table", "code", "details", "heading")
    ]
    assert found[0]["text"][1] == {"kind": "code", "text": "attention"}
    assert found[2] == {"kind": "picture", "text": "three tokens", "source": "guide/picture.svg"}
    assert [block.get("number") for block in found if block["kind"] == "code"] == [0, None]
    assert found[4]["items"][0][-1]["text"] == " goes on"
    assert (found[4]["ordered"], found[5]["ordered"]) == (False, True)
    assert found[7]["rows"] == [[[{"kind": "text", "text": "a"}], [{"kind": "strong", "text": "0.5"}]]]
    assert found[9]["blocks"][0]["number"] == 1
    assert found[9]["summary"][1] == {"kind": "em", "text": "1"}


def test_only_harmless_links_are_links():
    kinds = {
        text: inline(text)[0]["kind"]
        for text in ("[a](#view=map)", "[a](https://x.org)", "[a](javascript:b)", "[a](../x.md)")
    }
    assert list(kinds.values()) == ["link", "link", "text", "text"]


@pytest.mark.parametrize(
    "text", ["", "```", "<details>", "|a|\n|-|", "- ", "# ", "1.", "**", "[", "\n\n\n", "> ", "|\n|-|\n|||"]
)
def test_what_is_cut_short_is_no_fault(text):
    json.dumps(blocks(text))


def test_questions(guide):
    assert [one["title"] for one in ask("chapters")["chapters"]] == [
        "How does attention work?",
        "<img src=x onerror=alert(1)>",
    ]
    assert ask("chapter", name="1-attention")["blocks"] == blocks(CHAPTER)
    first = ask("run_code", chapter="1-attention", number=0)
    assert first["same"]
    assert first["output"].endswith(">>> softmax([1.0, 1.0])\n[0.5, 0.5]\n")
    second = ask("run_code", chapter="1-attention", number=1)  # with the names of the first
    assert second == {"output": ">>> for x in softmax([2.0, 2.0]):\n...     print(x)\n0.5\n0.5\n", "same": False}


def test_code_that_fails():
    done = run_code((">>> 1 / 0\n1",))
    assert done == {"output": ">>> 1 / 0\nZeroDivisionError: division by zero\n", "same": False}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"chapter": "3-nothing", "number": 0},
        {"chapter": ["1-attention"], "number": 0},
        {"chapter": "1-attention", "number": 2},
        {"chapter": "1-attention", "number": -1},
        {"chapter": "1-attention", "number": True},
        {"chapter": "1-attention", "number": ">>> import os"},
        {"chapter": "1-attention", "number": 0.0},
        {"chapter": ">>> import os", "number": 0},
        {"code": ">>> import os"},
    ],
)
def test_only_the_chapters_code_is_run(guide, fields):
    assert list(ask("run_code", **fields)) == ["error"]


def test_a_chapter_that_is_not_there(guide):
    assert "1-attention" in ask("chapter", name="x")["error"]
    assert "error" in ask("chapter", name={})


@pytest.mark.parametrize("name", sorted(chapters.chapter_texts()) or ["none"])
def test_the_code_of_the_chapters(name):
    if name == "none":
        pytest.skip("docs/guide has no chapters yet")
    codes = code_blocks(chapters.chapter_texts()[name])
    for number in range(len(codes)):
        done = run_code(tuple(codes[: number + 1]))
        assert done["same"], done["output"]


def test_chapters_in_the_page(guide, monkeypatch, tmp_path):
    monkeypatch.setattr("starport.page.web_files.pictures", lambda: {"picture.svg": FILES["picture.svg"]})
    explorer, questions = Explorer("towel", "towel"), Questions()
    server = PageServer("127.0.0.1", 0, questions, {"prompt": "Once"})
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    reply = lambda request, progress: answer(explorer, request, progress)  # noqa: E731
    threading.Thread(target=questions.answer_all, args=[reply], daemon=True).start()
    with launched(tmp_path) as context, window(context) as page:
        page.goto(f"{server.address}#view=guide")
        page.wait_for_selector(READY)
        assert page.inner_text(".chapter h3 >> nth=0") == "How does attention work?"
        assert "<b>No HTML</b>" in page.inner_text(".chapter")
        assert page.evaluate("document.querySelector('.chapter img').naturalWidth") > 0
        page.click("text=Run it here >> nth=0")
        page.wait_for_selector(".output[data-same=true]")
        assert "[0.5, 0.5]" in page.inner_text(".output >> nth=0")
        page.click("summary")
        page.click("text=Run it here >> nth=1")
        page.wait_for_selector(".output[data-same=false]")
        page.click("text=the next chapter")
        page.wait_for_selector(".chapter:has-text('alert(1)')")
        assert page.locator(".chapter img, .chapter script, .chapter a").count() == 0
        page.click("text=the chapter before")
        page.click("text=place")
        page.wait_for_selector("#plate[data-view=lens]")
        assert page.input_value("#prompt") == "The fox"
    server.shutdown()
    server.server_close()
    explorer.close()
