"""The answer to `trace`: what a run was, without its values."""

from typing import Any

from starchart.generation.fingerprint import fingerprint
from starport.explorer.published import is_published
from starport.explorer.question import Question


def run_facts(question: Question) -> dict[str, Any]:
    """Run the model over a prompt, or find the run that was made before."""
    trace = question.traces.get(question.request, question.progress)
    return {
        "trace": trace.key,
        "ids": list(trace.ids),
        "tokens": question.model.tokens.tokens(trace.ids),
        "engine": trace.engine,
        "precision": trace.precision,
        "change": list(trace.change),
        "names": [{"name": name, "shape": list(value.shape)} for name, value in trace.values.items()],
        "fingerprint": fingerprint(trace.values["logits"][-1]),
        "published": is_published(question.model, trace),
        "seconds": trace.seconds,
        "numbers": trace.numbers,
    }
