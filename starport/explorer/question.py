"""A question with all that is needed to answer it."""

from dataclasses import dataclass

from starport.explorer.opened_model import OpenedModel, Progress
from starport.explorer.request import Request
from starport.explorer.traces import Trace, Traces


@dataclass(frozen=True)
class Question:
    """A request, the model it is about, the traces that are kept, and whom to tell as something long goes on."""

    request: Request
    progress: Progress
    model: OpenedModel
    traces: Traces

    @property
    def trace(self) -> Trace:
        """The trace that the request names. Raises GoneError where it is not kept any more."""
        return self.traces[self.request.text("trace")]
