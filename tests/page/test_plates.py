"""What the plates say where they are asked: fields, formulas, and errors beside the button that was pressed."""

import math

from tests.page.windows import change_by, show

PROMPT = "Once upon a time there was a king"


def test_another_token_is_the_one_that_was_typed(page, address):
    show(page, address, PROMPT, view="contributions")
    for text, shown in ((" day", "␣day"), ("king", "king"), (" king", "␣king"), ("1", "1")):
        page.fill("#token-text", text)
        change_by(page, lambda: page.press("#token-text", "Enter"))
        assert page.inner_text(".contributions caption .word >> nth=0") == shown
    page.fill("#token-text", " king of")
    page.press("#token-text", "Enter")
    fault = page.locator("#plate form .fault")
    fault.wait_for()
    assert "must be one token; it is 2 tokens" in fault.inner_text()
    assert page.is_hidden("#alert")
    page.fill("#token-text", " day")
    change_by(page, lambda: page.press("#token-text", "Enter"))
    assert fault.count() == 0


def test_the_numbers_of_contributions_end_at_one_edge(page, address):
    show(page, address, PROMPT, view="contributions")
    edges = page.evaluate(
        "[...document.querySelectorAll('.contributions td .number')].map(x => x.getBoundingClientRect().right)"
    )
    assert len(edges) > 30
    assert max(edges) - min(edges) < 1  # pixel
    table, plate = (page.locator(one).bounding_box()["width"] for one in (".contributions", "#plate"))
    assert table > 0.75 * plate


def test_why_there_is_no_sweep_stands_beside_its_button(page, address):
    show(page, address, "Once upon a", view="change")
    for name, text in {"corrupt": "Once", "answer": " time", "wrong": " day"}.items():
        page.fill(f"#sweep-{name}", text)
    change_by(page, lambda: page.click("text=Sweep"))
    fault = page.locator("#plate form .fault")
    assert "equally many tokens" in fault.inner_text()
    assert page.is_hidden("#alert")
    page.fill("#sweep-corrupt", "Once upon the")
    page.fill("#sweep-answer", " time and")
    change_by(page, lambda: page.click("text=Sweep"))
    assert "must be one token" in fault.inner_text()
    page.fill("#sweep-answer", " time")
    change_by(page, lambda: page.click("text=Sweep"))
    assert fault.count() == 0
    for kind in ("attn.c_proj", "mlp.c_proj"):
        change_by(page, lambda kind=kind: page.click(f".picker >> text={kind}"))
        assert page.locator("#plate td [data-name='sweep.shares']").count() == 6 * 3


def test_the_score_of_a_token_is_what_the_caption_says(page, address):
    show(page, address, PROMPT, view="next", temperature=0.7, top_p=0.9, top_k=0)
    caption = page.inner_text("#plate .caption")
    assert "exp((logit − largest) / temperature) / q, where largest is the largest logit" in caption
    rows = page.locator(".next tr.kept, .next tr.drawn")
    read = [
        [
            float(rows.nth(i).locator(f"[data-name='{name}']").get_attribute("data-value"))
            for name in ("logits", "next.time", "next.score")
        ]
        for i in range(rows.count())
    ]
    largest = max(logit for logit, *_ in read)
    assert len(read) > 3
    for logit, time, score in read:
        assert math.isclose(
            score, math.exp((logit - largest) / 0.7) / time, rel_tol=1e-5
        )  # the logits are float32 there
    text = page.inner_text("#plate")
    assert "top-k is off" in text
    assert "of these top-p keeps" in text
    show(page, address, PROMPT, view="next")
    assert "top-p is 1: it keeps all of these" in page.inner_text("#plate")


def test_a_space_at_the_end_of_code_is_seen(page, address):
    show(page, address, PROMPT, view="guide")
    change_by(page, lambda: page.click(".contents button >> nth=0"))
    widths = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.chapter :not(pre) > code')]"
        ".map(x => [x.textContent, x.getBoundingClientRect().width]))"
    )
    assert widths[" The"] > widths["The"] + 5  # pixels: a space has about 8
    paper, code = (
        page.evaluate(f"getComputedStyle(document.querySelector({one!r})).backgroundColor")
        for one in ("body", ".chapter p code")
    )
    assert code not in (paper, "rgba(0, 0, 0, 0)")  # it can be told from the space around it


def test_nothing_is_shown_twice(page, address):
    show(page, address, PROMPT, view="lens")
    rows = page.locator("#plate .heat tbody th").all_inner_texts()
    assert rows[:3] == ["h.0.resid_pre", "h.0.resid_mid", "h.0.resid_post"]
    assert len(rows) == 1 + 2 * 6  # the residual stream before block 1 is that after block 0
    show(page, address, PROMPT, view="change")
    assert page.locator("#plate table.list").count() == 1
    change_by(page, lambda: page.click("[data-key='head 1 of block 3']"))
    assert page.locator("#plate table.list caption").all_inner_texts() == ["Before", "After"]


def test_the_badge_names_only_what_is_published(page, address):
    show(page, address, PROMPT, view="tokens")
    assert page.inner_text("#badge .verdict") == ""
    assert "no fingerprint is published" in page.inner_text("#badge .visually-hidden")


def test_the_bars_of_feed_forward_reach_the_end(page, address):
    show(page, address, PROMPT, view="mlp", layer=2)
    bars = page.evaluate("[...document.querySelectorAll('#plate .bar i')].map(x => parseFloat(x.style.width))")
    assert max(bars) == 100  # percent: the largest number of the table
