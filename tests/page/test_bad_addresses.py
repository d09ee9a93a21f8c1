"""Addresses that hold what cannot be shown: the page says so in a line, and goes on."""

import json

import pytest

from tests.page.windows import READY, hash_of, show


@pytest.mark.parametrize(
    ("prompt", "state"),
    [
        (" the" * 601, {}),
        ("Once", {"engine": "zzz"}),
        ("Once", {"change": [{"kind": "zap"}]}),
        ("Once", {"added": [999999]}),
    ],
    ids=["prompt", "engine", "change", "added"],
)
def test_a_first_trace_that_fails_leaves_a_page_that_works(page, address, prompt, state):
    page.goto(address + hash_of(prompt, view="tokens", **state))
    page.wait_for_selector("body[data-state=failed]")
    assert page.is_visible("#alert")
    assert page.input_value("#prompt") == prompt
    assert page.input_value("#engine") == "packed, full"
    assert page.locator("#plates a").count() == 9
    assert page.inner_text("#plate h2").endswith("Text to tokens")
    page.keyboard.press("ArrowRight")  # there are no tokens yet: nothing happens
    page.fill("#prompt", "Once upon")
    page.press("#prompt", "Enter")
    page.wait_for_selector(READY)
    assert page.locator("button.token").count() == 2
    assert page.is_hidden("#alert")
    assert not {"change", "added", "engine"} & {field.split("=")[0] for field in page.url.split("#")[1].split("&")}


@pytest.mark.parametrize(
    "field",
    [
        "view=nosuch",
        "layer=99",
        "head=-3",
        "seed=abc",
        "token=99999",
        "position=1",
        "change=[broken]",
        "added={}",
        "nothing=1",
    ],
)
def test_what_is_not_understood_is_named(page, address, field):
    page.goto(f"{address}#prompt=Once&{field}&temperature=0.5")
    page.wait_for_selector(READY)
    assert page.is_visible("#status-text")
    assert page.inner_text("#status-text") == f"Not understood in the address, and left out: {field}"
    assert page.is_hidden("#progress")


def test_an_address_that_is_understood_is_not_spoken_of(page, address):
    fields = {"view": "attention", "layer": 5, "head": 3, "position": 0, "token": 3071, "seed": 7, "top_p": 0.5}
    for state in ({}, fields, {"position": -1, "token": -1}):
        show(page, address, "Once", **state)
        assert page.is_hidden("#status-text"), json.dumps(state)
