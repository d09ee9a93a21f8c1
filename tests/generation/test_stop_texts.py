"""StopTexts against the whole text and str.find."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starchart.errors import GenerationError
from starchart.generation.stop_texts import StopTexts

LETTERS = st.text("ab\N{SNOWMAN}", max_size=12)
SEEDED = settings(derandomize=True, deadline=None, max_examples=300)
STOPS = st.lists(st.text("ab\N{SNOWMAN}", min_size=1, max_size=5), max_size=4)


def run(stops, pieces):
    """Return what came out for each piece, what came out at the end, and whether a stop was found."""
    stream = StopTexts(stops)
    shown = [stream.push(piece) for piece in pieces]
    return shown, stream.finish(), stream.stopped


def truth(stops, text):
    """Return the text before the first place where a stop begins, and whether there is one."""
    places = [text.find(stop) for stop in stops if stop in text]
    return text[: min(places, default=len(text))], bool(places)


@SEEDED
@given(STOPS, st.lists(LETTERS, max_size=8))
def test_the_text_ends_where_the_first_stop_begins(stops, pieces):
    shown, rest, stopped = run(stops, pieces)
    assert ("".join(shown) + rest, stopped) == truth(stops, "".join(pieces))


@SEEDED
@given(STOPS, LETTERS, st.lists(LETTERS, max_size=4))
def test_nothing_is_held_back_that_cannot_become_a_stop(stops, start, pieces):
    stream = StopTexts(stops)
    shown = stream.push(start) + "".join(map(stream.push, pieces))
    held = "".join([start, *pieces])[len(shown) :]
    if not stream.stopped and held:
        assert any(stop.startswith(held) or held.startswith(stop[:-1]) for stop in stops)


@SEEDED
@given(STOPS, st.lists(LETTERS, min_size=1, max_size=6))
def test_it_stops_as_soon_as_more_text_could_change_nothing(stops, pieces):
    stream = StopTexts(stops)
    for count, piece in enumerate(pieces, 1):
        stream.push(piece)
        text = "".join(pieces[:count])
        end, found = truth(stops, text)
        earlier = any(
            stop.startswith(text[place:]) and place < len(end) for stop in stops for place in range(len(text))
        )
        assert stream.stopped == (found and not earlier)
        if stream.stopped:
            break


def test_no_stops_let_everything_through_at_once():
    assert run([], ["a", "", "bc"]) == (["a", "", "bc"], "", False)


def test_a_stop_across_pieces():
    assert run(["THE END"], ["one T", "HE", " ", "END two", "x"]) == (["one ", "", "", "", ""], "", True)


def test_a_false_start_is_let_go_as_soon_as_it_fails():
    assert run(["\n\n"], ["a\n", "b", "\n"]) == (["a", "\nb", ""], "\n", False)


def test_a_false_start_inside_a_stop():
    assert run(["aab"], ["a", "a", "a", "b!"]) == (["", "", "a", ""], "", True)


def test_the_stop_that_begins_first_counts_though_another_is_whole_before_it():
    assert run(["bc", "abcd"], ["a", "bc", "d"]) == (["", "", ""], "", True)
    assert run(["bc", "abcd"], ["a", "bc", "e"]) == (["", "", "a"], "", True)
    assert run(["bc", "abcd"], ["a", "bc"]) == (["", ""], "a", True)


def test_after_a_stop_nothing_comes_out():
    stream = StopTexts(["."])
    assert (stream.push("a.b"), stream.stopped) == ("a", True)
    assert (stream.push("c"), stream.finish(), stream.stopped) == ("", "", True)


@pytest.mark.parametrize("stops", [[""], ["a", ""], "abc", [b"a"], [None]])
def test_a_stop_that_is_no_text_is_refused(stops):
    with pytest.raises(GenerationError, match=r"\Astop ('' is empty; give a text|[^\n]+ is not a list of texts\Z)"):
        StopTexts(stops)
