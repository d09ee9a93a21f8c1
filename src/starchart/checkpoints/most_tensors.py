"""How many tensors a checkpoint may have, whatever its format: every one costs time and memory before it is known."""

from starchart.errors import CheckpointError

MOST_TENSORS = 10_000  # gpt2-xl has 580, and 96 masks


def refuse_too_many(count: int, source: str) -> None:
    """Raise CheckpointError for more tensors than any GPT-2 has. `source` names the checkpoint in it."""
    if count > MOST_TENSORS:
        raise CheckpointError(f"{source}: has {count} tensors; no GPT-2 has more than {MOST_TENSORS}")
