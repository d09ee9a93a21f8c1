"""Suggestions for a name that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches

_CUTOFF = 0.75  # similarity by difflib: 0.93 of "genrate" and "generate", 0.73 of "my-gpt2" and "gpt2"


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return "did you mean NAME?" for up to two names that start with `word`, or one that is similar; else "".

    >>> did_you_mean("--modle", ["--model", "--seed"]), did_you_mean("--temp", ["--temperature"])
    ('did you mean --model?', 'did you mean --temperature?')
    >>> did_you_mean("frobnicate", ["generate", "score"])
    ''
    """
    bare = {name.lstrip("-").lower(): name for name in names}
    wanted = word.lstrip("-").lower()
    begun = [name for name in bare if len(wanted) > 2 and name.startswith(wanted)]
    found = [bare[name] for name in begun[:2] or get_close_matches(wanted, bare, 1, _CUTOFF)]
    return f"did you mean {' or '.join(found)}?" if found else ""
