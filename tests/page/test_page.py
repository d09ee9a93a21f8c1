"""The page in a real Chromium, served by `starchart explore`."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from starchart import GPT2, Tokenizer
from starport.explorer.explorer import Explorer
from tests.page import shown_numbers
from tests.page.browser import npm_file
from tests.page.windows import READY, change_by, show

PROMPT = "Once upon a time there was a king"
VIEWS = ["guide", "tokens", "map", "attention", "mlp", "lens", "contributions", "next", "change"]
WITH_NUMBERS = VIEWS[2:]


@pytest.fixture(scope="module")
def explorer():
    opened = Explorer("towel", "towel")
    yield opened
    opened.close()


def traced(explorer, prompt=PROMPT, **more):
    return shown_numbers.ask(explorer, ask="trace", prompt=prompt, **more)["trace"]


def test_it_opens_with_a_prompt_traced(page, address):
    page.goto(address)
    page.wait_for_selector(READY)
    assert page.input_value("#prompt") == PROMPT
    assert page.locator("button.token").count() == 8
    assert page.locator("[data-name]").count() > 10


@pytest.mark.parametrize("view", VIEWS)
def test_every_number_equals_the_engine_s(page, address, explorer, view, tmp_path):
    show(page, address, PROMPT, view=view, layer=2, head=1)
    settings = {"temperature": 0.8, "top_k": 40, "top_p": 1, "seed": 42, "draw": 0}
    count = shown_numbers.check(page, explorer, traced(explorer), **settings)
    assert count > 10 if view in WITH_NUMBERS else count == 0
    assert len(page.screenshot(path=tmp_path / "plate.png", full_page=True)) > 10_000


@pytest.mark.parametrize("precision", ["full", pytest.param("fast", marks=pytest.mark.slow)])
def test_the_story_of_a_number_back_to_the_file(page, address, explorer, precision):
    show(page, address, PROMPT, view="attention", layer=2, precision=precision)
    trace = traced(explorer, precision=precision)
    page.click("#plate button[data-name='h.2.attn.scores'] >> nth=0")
    visited = []
    for _ in range(40):
        page.wait_for_selector("#story .exact-value")
        page.wait_for_selector(READY)
        shown_numbers.check(page, explorer, trace)
        name = page.inner_text("#story h2 code")
        assert name not in visited
        visited.append(name)
        if page.locator("#story .stored").count():
            break
        # the operand that was computed last, or else a weight
        operands = page.locator("#story .operands button[data-name]")
        names = [operands.nth(i).get_attribute("data-name") for i in range(operands.count())]
        values = [name for name in names if not name.endswith((".weight", ".bias"))]
        change_by(page, operands.nth(names.index((values or names)[0])).click)
    assert visited[0] == "h.2.attn.scores"
    assert visited[-1] in ("wte.weight", "wpe.weight")
    assert len(visited) > 8
    assert "def " in page.inner_text("#story") or page.locator("#story .stored").count()


def test_the_source_is_that_of_the_running_package(page, address):
    show(page, address, PROMPT, view="attention", story="h.2.attn.pattern 0,3,1")
    assert "masked_softmax" in page.inner_text("#story .source summary")
    assert "def masked_softmax" in page.inner_text("#story .source pre")


def test_what_the_reference_engine_says(page, address, explorer):
    show(page, address, "Once upon", view="map", engine="reference", story="h.0.mlp.act 1,3")
    trace = traced(explorer, "Once upon", engine="reference")
    assert shown_numbers.check(page, explorer, trace) > 10
    assert page.locator("#story .rounding").count() == 0


def test_trace_for_scripts(page, address, explorer):
    show(page, address, PROMPT)
    got = page.evaluate("starchart.trace('The little towel')")
    trace = shown_numbers.ask(explorer, ask="trace", prompt="The little towel")
    assert got["ids"] == trace["ids"]
    assert got["tokens"] == [token["text"] for token in trace["tokens"]]
    assert got["fingerprint"] == trace["fingerprint"]
    assert list(got["values"]) == [one["name"] for one in trace["names"]]
    for name in ("wte", "h.3.attn.scores", "h.5.mlp.act", "logits"):
        assert (
            got["values"][name] == shown_numbers.ask(explorer, ask="values", trace=trace["trace"], name=name)["values"]
        )
    assert page.input_value("#prompt") == "The little towel"
    assert page.get_attribute("#fingerprint", "data-fingerprint") == trace["fingerprint"]
    assert [token["id"] for token in trace["tokens"]] == got["ids"]


def test_a_new_prompt_and_steps_in_time(page, address, explorer):
    show(page, address, PROMPT, view="next", temperature=0.9, seed=7)
    page.fill("#prompt", "The old fox")
    change_by(page, lambda: page.press("#prompt", "Enter"))
    before = page.locator("button.token").count()
    page.locator("#plate").focus()
    for _ in range(3):
        change_by(page, lambda: page.keyboard.press("ArrowRight"))
    assert page.locator("button.token").count() == before + 3
    assert page.locator("button.token.added").count() == 3
    change_by(page, lambda: page.keyboard.press("ArrowLeft"))
    assert page.get_attribute("button.token >> nth=-2", "aria-pressed") == "true"
    added = json.loads(parse_qs(urlsplit(page.url).fragment)["added"][0])
    assert added == list_generated("The old fox", 3, seed=7, temperature=0.9)  # what run_gpt2.py draws
    ids = shown_numbers.ask(explorer, ask="trace", prompt="The old fox")["ids"]
    trace = shown_numbers.ask(explorer, ask="trace", ids=ids + added)["trace"]
    shown_numbers.check(page, explorer, trace, temperature=0.9, top_k=40, top_p=1, seed=7, draw=2)
    page.reload()
    page.wait_for_selector(READY)
    assert page.locator("button.token.added").count() == 3  # the address reopens it


def list_generated(prompt, count, **settings):
    with GPT2.from_pretrained("towel", "packed", workers=1) as gpt2:
        ids = Tokenizer.from_pretrained("towel").encode(prompt)
        return list(gpt2.generate(ids, max_new_tokens=count, top_k=40, **settings))


def test_the_filters_and_the_search(page, address):
    show(page, address, PROMPT, view="next")
    page.fill("#set-top-k", "3")
    change_by(page, lambda: page.press("#set-top-k", "Tab"))
    assert "top-k keeps 3," in page.inner_text("#plate")
    assert page.locator(".next tr.cut").count() == 40 - 3
    page.fill("#search", "king")
    page.wait_for_selector("text=The search finds")
    words = page.locator(".next .word").all_inner_texts()
    assert words
    assert all("king" in word.lower() for word in words)
    page.fill("#search", "")
    page.wait_for_selector("text=The search finds", state="detached")


def test_changes(page, address, explorer):
    show(page, address, PROMPT, view="change")
    change_by(page, lambda: page.click("[data-key='head 1 of block 3']"))
    change_by(page, lambda: page.click("[data-key='feed-forward of block 0']"))
    change = [{"kind": "ablate_head", "layer": 3, "head": 1}, {"kind": "ablate_mlp", "layer": 0}]
    changed = traced(explorer, change=change)
    count = shown_numbers.check(page, explorer, changed, clean=traced(explorer))
    assert count > 40
    assert page.inner_text("#badge .verdict").lower() == "changed"
    change_by(page, lambda: page.click("text=Undo all"))
    shown_numbers.check(page, explorer, traced(explorer))


def test_a_number_is_set(page, address, explorer):
    show(page, address, PROMPT, view="mlp", story="h.1.mlp.act 2,5")
    page.fill("#set-value", "12.5")
    change_by(page, lambda: page.click("text=Change it >> nth=-1"))
    changed = traced(explorer, change=[{"kind": "set", "name": "h.1.mlp.act", "index": [2, 5], "value": 12.5}])
    shown_numbers.check(page, explorer, changed)
    assert page.get_attribute(".exact-value .number", "data-value") == "12.5"
    page.fill("#set-value", "nonsense")
    page.click("text=Change it >> nth=-1")
    assert page.evaluate("document.querySelector('#set-value').validationMessage").startswith("Write a number")


def test_patching(page, address, explorer):
    show(page, address, "Once upon a", view="change")
    texts = {"corrupt": "Once upon the", "answer": " time", "wrong": " day"}
    for name, text in texts.items():
        page.fill(f"#sweep-{name}", text)
    change_by(page, lambda: page.click("text=Sweep"))
    sweep = shown_numbers.ask(explorer, ask="sweep", clean="Once upon a", **texts)
    assert page.locator("#plate td [data-name='sweep.shares']").count() == 6 * 3
    shown_numbers.check(page, explorer, traced(explorer, "Once upon a"), sweep=sweep)


@pytest.mark.parametrize(
    ("theme", "width"),
    [
        ("light", 1280),
        ("dark", 390),
        pytest.param("dark", 1280, marks=pytest.mark.slow),
        pytest.param("light", 390, marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_serious(context, address, theme, width):
    axe = npm_file("axe-core/axe.min.js").read_text(encoding="utf-8")
    page = context.new_page()
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 800})
    for view in VIEWS:
        show(page, address, PROMPT, view=view, story="h.1.ln_1 2,5" if view in ("map", "next") else "")
        page.evaluate(axe)
        report = page.evaluate("axe.run({resultTypes: ['violations']})")
        bad = [one for one in report["violations"] if one["impact"] in ("serious", "critical")]
        assert [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in bad] == [], view
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, (view, wide)  # nothing sticks out of a telephone
    page.close()


def test_by_keyboard_alone(page, address):
    show(page, address, PROMPT, view="attention")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "plate"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('td > button.number')"):
            break
    first = page.evaluate("document.activeElement.dataset.index")
    page.keyboard.press("ArrowDown")
    second = page.evaluate("document.activeElement.dataset.index")
    assert (first.split(",")[1:], second.split(",")[1:]) == (["0", "0"], ["1", "0"])
    change_by(page, lambda: page.keyboard.press("Enter"))
    assert page.evaluate("document.activeElement.closest('#story') !== null")
    change_by(page, lambda: page.keyboard.press("Escape"))
    assert page.is_hidden("#story")
    assert page.evaluate("document.activeElement.dataset.index") == second


def test_arrows_in_a_row_of_buttons_or_a_wide_table_draw_no_token(page, address):
    show(page, address, PROMPT, view="attention")
    before = page.locator("button.token").count()
    blocks = page.locator("[role=group][aria-label=block] button")
    for focused, block in ((blocks.last, 1), (page.locator(".scroll").first, 2)):
        focused.focus()
        page.keyboard.press("ArrowRight")
        change_by(page, blocks.nth(block).click)  # this asks for the block after what the key would ask
        assert page.locator("button.token").count() == before


def test_a_position_that_is_no_whole_number_is_the_last(page, address):
    show(page, address, PROMPT, view="attention", position=0.5)
    assert page.get_attribute("button.token >> nth=-1", "aria-pressed") == "true"
