"""Stop texts: where a text that arrives in pieces has to end.

The text ends before the first stop text in it, even if the stop text is spread over several pieces. Text is returned
as soon as no stop text can begin in it; only an end that may be the beginning of a stop text is held back. Characters
are compared exactly: case, accents and white space count. Stop token ids are in `generate`.
"""

from collections.abc import Sequence

from starchart.errors import GenerationError


class StopTexts:
    """A filter between the pieces of a text and its reader.

    `stopped` becomes true when a stop text is found; nothing comes out after that. Raises GenerationError for an empty
    stop text.

    >>> stops = StopTexts(["THE END"])
    >>> [stops.push(piece) for piece in ["and so. ", "T", "HE E", "ND of it"]], stops.stopped
    (['and so. ', '', '', ''], True)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if isinstance(stops, str) or not all(isinstance(stop, str) for stop in stops):
            raise GenerationError(f"stop {stops!r} is not a list of texts", "stop")
        if "" in stops:
            raise GenerationError("stop '' is empty; give a text of at least one character", "stop")
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False

    def push(self, piece: str) -> str:
        """Take the next piece and return the text that is now safe to show.

        Once stopped, the held text begins with the stop text, so nothing is ever safe again.
        """
        self._held += piece
        found = self._found()
        growing = self._growing()
        self.stopped = found is not None and found <= growing  # else one that began earlier may still be completed
        safe = min(growing, len(self._held) if found is None else found)
        text, self._held = self._held[:safe], self._held[safe:]
        return text

    def finish(self) -> str:
        """The text has no more pieces: return what was held back, up to a stop text."""
        found = self._found()
        self.stopped = found is not None
        text = self._held[:found]
        self._held = ""
        return text

    def _found(self) -> int | None:
        """Return where the first whole stop text begins."""
        places = [place for place in map(self._held.find, self._stops) if place >= 0]
        return min(places, default=None)

    def _growing(self) -> int:
        """Return where the first unfinished stop text begins: the end of the held text if there is none."""
        held = self._held
        longest = max(map(len, self._stops), default=0)
        for start in range(max(0, len(held) - longest + 1), len(held)):
            if any(stop.startswith(held[start:]) for stop in self._stops):
                return start
        return len(held)
