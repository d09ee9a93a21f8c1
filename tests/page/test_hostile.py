"""Hostile prompts, models and circumstances, in a real Chromium."""

import json
import os
import re
import threading
from pathlib import Path

import pytest

from starport.page.questions import Questions
from starport.page.server import PageServer
from tests.page.served import explored
from tests.page.windows import READY, change_by, show, window
from tests.tiny_model import END_OF_TEXT, byte_alphabet, write_tiny_model

HTML = "<img/src=x/onerror=alert(1)><script>alert(2)</script>"
NAME = "model" if os.name == "nt" else "<img src=x onerror=alert(3)>"
VIEWS = ["tokens", "map", "attention", "mlp", "lens", "contributions", "next", "change"]
MADE = (
    "[...document.querySelectorAll('main img, main script, aside img, aside script, header img, header script')].length"
)


@pytest.mark.parametrize(
    "prompt",
    [
        HTML,
        "a'\"&amp;`${alert(1)}\\",
        "\x00\x07\x1b[31m\u202e\u200b\ufeff\u2028\x7f",
        "",
        "<|endoftext|>",
        "𝔘😀é\u0301",
    ],
    ids=["html", "quotes", "control", "empty", "special", "characters"],
)
def test_prompts(page, address, prompt):
    for view in VIEWS if prompt == HTML else ("tokens", "attention", "next"):
        show(page, address, prompt, view=view)
        assert page.evaluate(MADE) == 0
        assert page.locator("button.token").count() >= 1
    shown = "".join(page.locator("button.token").all_inner_texts())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\u200b\u2028]", shown)


def test_an_address_that_is_nonsense(page, address):
    fields = (
        "view=nothing&layer=99&head=-3&position=1e9&token=99999999&change=17&temperature=%22x%22&added={}&seed=null"
    )
    page.goto(f"{address}#prompt=Once&{fields}&__proto__=1")
    page.wait_for_selector(READY)
    show(page, address, "Once", view="attention", layer=99, head=50, position=77)
    assert page.locator("[data-name='h.5.attn.pattern']").count() > 0


@pytest.mark.parametrize(
    "state",
    [
        {"story": "nothing 1,2"},
        {"story": "logits 99,99999"},
        {"change": [{"kind": "set", "name": "nothing", "index": [], "value": 1}]},
        {"added": [999999]},
        {"engine": "nothing"},
    ],
)
def test_a_state_that_cannot_be_is_one_line(page, address, state):
    page.goto("about:blank")
    fields = "&".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in state.items()
    )
    page.goto(f"{address}#prompt=Once&{fields}")
    page.wait_for_selector("body[data-state=failed]")
    assert page.inner_text("#alert").count("\n") == 0
    assert page.is_visible("#alert")
    page.fill("#prompt", "Once upon")
    page.evaluate("location.hash = '#prompt=Once%20upon'")  # and it goes on
    page.wait_for_selector(READY)
    assert page.is_hidden("#alert")


def test_a_prompt_that_is_too_long(page, address):
    show(page, address, "Once")
    page.fill("#prompt", "a b " * 400)
    page.press("#prompt", "Enter")
    page.wait_for_selector("body[data-state=failed]")
    assert "at most 512" in page.inner_text("#alert")


@pytest.fixture(scope="module")
def hostile_model(tmp_path_factory):
    """Return a model whose vocabulary and whose name are HTML."""
    folder = tmp_path_factory.mktemp("models") / NAME
    merges, parts = [], []
    for text in (HTML, "\x1b]0;title\x07"):
        alphabet = dict(
            zip([*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)], byte_alphabet(), strict=False)
        )
        rest = byte_alphabet()[len(alphabet) :]
        others = [byte for byte in range(256) if byte not in alphabet]
        alphabet |= dict(zip(others, rest, strict=True))
        letters = [alphabet[byte] for byte in text.encode()]
        for end in range(1, len(letters)):  # byte by byte to the whole text, which no prompt becomes, but an id may be
            merge = f"{''.join(letters[:end])} {letters[end]}"
            if merge not in merges:
                merges.append(merge)
                parts.append(merge.replace(" ", ""))
    tokens = [*byte_alphabet(), *parts, END_OF_TEXT]
    size = len(tokens)
    write_tiny_model(folder, vocab_size=size, bos_token_id=size - 1, eos_token_id=size - 1)
    (folder / "vocab.json").write_text(
        json.dumps({token: index for index, token in enumerate(tokens)}), encoding="utf-8"
    )
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    return folder


def test_a_model_whose_vocabulary_is_html(page, hostile_model):
    vocabulary = json.loads((hostile_model / "vocab.json").read_text(encoding="utf-8"))
    html = vocabulary[HTML]
    control = max(index for index in vocabulary.values() if index < len(vocabulary) - 1)
    with explored("a", "--model", hostile_model) as (address, _):
        for view in VIEWS:
            show(page, address, "a", view=view, layer=1, added=[html, control], token=html)
            assert page.evaluate(MADE) == 0
            assert HTML in page.inner_text("#strip")
            assert "\\x1b]0;title\\x07" in page.inner_text("#strip")
        assert NAME in page.inner_text("header")
        show(page, address, "a", view="next")
        page.fill("#search", "<script>")
        page.wait_for_selector("text=The search finds")
        assert HTML in page.inner_text("#plate")
        assert page.evaluate(MADE) == 0


def test_512_tokens(page, tmp_path):
    with explored("a", "--model", write_tiny_model(tmp_path, n_positions=512)) as (address, _):
        for view in VIEWS:
            show(page, address, "a b " * 128, view=view, position=300)
            assert page.locator("button.token").count() == 512
            assert page.locator("#plate *").count() < 20_000
        page.click("#draw")  # the context is full: nothing is drawn
        assert page.locator("button.token").count() == 512


@pytest.mark.slow
def test_512_tokens_of_towel(page, address):
    page.set_default_timeout(300_000)
    for view in VIEWS:
        show(page, address, " the" * 512, view=view, position=300)
        assert page.locator("#plate *").count() < 20_000


def test_ten_windows_at_once(context, address):
    pages = [context.new_page() for _ in range(10)]
    for number, page in enumerate(pages):
        page.goto(f"{address}#prompt=Number {number}&view=attention", wait_until="commit")
    for number, page in enumerate(pages):
        page.wait_for_selector(READY)
        assert page.input_value("#prompt") == f"Number {number}"
        page.close()


def test_the_server_is_killed_under_the_page(context):
    with window(context, allowed=["ERR_", "Failed to load"]) as page:
        with explored("Once", "--model", "towel") as (address, process):
            show(page, address, "Once", view="map")
            process.kill()
            process.wait(timeout=60)
            page.click("text=Attention >> nth=0")
            page.wait_for_selector("#alert:has-text('does not answer')")
            assert page.is_visible("#plate h2")  # what was there is still there
        port = address.split(":")[2].split("/")[0]
        with explored("Once", "--model", "towel", "--port", port) as (anew, _):
            page.wait_for_selector("#alert:has-text('Another run')")  # it has found the new one
            page.fill("#alert input", anew)
            page.click("#alert button")
            page.wait_for_selector("#plate[data-view=attention]")
            page.wait_for_selector(READY)
            assert page.url.startswith(anew)


def test_the_server_comes_back(context):
    questions, asked = Questions(), []

    def answer(request, progress):
        asked.append(request)
        return {"error": "nothing is known here"}

    threading.Thread(target=questions.answer_all, args=[answer], daemon=True).start()
    server = PageServer("127.0.0.1", 0, questions, {"prompt": "Once"})
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    with window(context, allowed=["ERR_", "Failed to load"]) as page:
        page.goto(server.address)
        page.wait_for_selector("#alert:has-text('nothing is known here')")
        server.shutdown()
        server.server_close()
        for prompt in ("Twice", "Thrice"):
            with page.expect_event("requestfailed", lambda request: request.method == "POST", timeout=60_000):
                page.evaluate(f"location.hash = '#prompt={prompt}'")
            page.wait_for_selector("#alert:has-text('does not answer')")
        asked.clear()
        again = PageServer("127.0.0.1", server.server_port, questions, {"prompt": "Once"})
        again.token = server.token
        threading.Thread(target=again.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        page.wait_for_selector("#alert:has-text('nothing is known here')")  # it asks again by itself
        page.wait_for_timeout(2500)  # more than twice RETRY
        assert len(asked) == 1  # for the latest prompt alone
        again.shutdown()
        again.server_close()


def test_typing_is_not_held_up(page, address):
    show(page, address, "Once", engine="reference")
    page.evaluate("location.hash = '#engine=reference&prompt=' + 'the old fox'")
    page.focus("#prompt")
    page.keyboard.press("Control+a")
    page.keyboard.type("while it thinks")
    assert page.input_value("#prompt") == "while it thinks"
    page.wait_for_selector(READY)
    assert page.input_value("#prompt") == "while it thinks"
    change_by(page, lambda: page.keyboard.press("Enter"))


def test_nothing_of_another_site_is_asked(context, address):
    asked = []
    with window(context) as page:
        page.on("request", lambda request: asked.append(request.url))
        for view in VIEWS:
            show(page, address, "Once", view=view)
    assert asked
    assert [url for url in asked if not url.startswith((address, "about:"))] == []


def test_no_module_makes_html_of_text():
    folder = Path(__file__).resolve().parents[2] / "starport" / "page" / "web"
    scripts = sorted(folder.rglob("*.js"))
    assert len(scripts) > 15
    total = 0
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            script
        )
        assert len(text.splitlines()) <= 250, script
        total += len([line for line in text.splitlines() if line.strip() and not re.match(r"\s*(//|/?\*)", line)])
    assert total <= 2000
