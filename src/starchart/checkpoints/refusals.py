"""Checkpoints that are refused whatever their format is.

There are three kinds: files that are often in the place of weights; files with more tensors than any GPT-2 has, since
each takes time and memory before its name is compared; and models that a format cannot represent, since a file of that
format would be read as another model.
"""

from collections.abc import Mapping
from typing import Any

from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.model.config import GPT2Config

MOST_TENSORS = 10_000  # gpt2-xl has 580, and 96 masks


def refuse_foreign(first: bytes, source: str) -> None:
    """Raise CheckpointError if the first bytes of a file are those of a Git LFS pointer or a web page."""
    text = first.lstrip().lower()
    if text.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{source}: is a Git LFS pointer, not the weights; fetch them with 'git lfs pull'")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(f"{source}: is a web page, not the weights; fetch it again")


def refuse_too_many(count: int, source: str) -> None:
    """Raise CheckpointError for more tensors than any GPT-2 has. `source` names the checkpoint in the message."""
    if count > MOST_TENSORS:
        raise CheckpointError(f"{source}: has {count} tensors; no GPT-2 has more than {MOST_TENSORS}")


def refuse_other_values(config: GPT2Config, taken_for_granted: Mapping[str, Any], format_name: str) -> None:
    """Raise CheckpointError unless the configuration has the values that a format assumes and does not store."""
    for name, value in taken_for_granted.items():
        ours = getattr(config, name)
        if ours != value:
            raise CheckpointError(
                f"this model has {name} {shown(ours)}, and a file of the {format_name} format always means"
                f" {shown(value)}; write safetensors, which stores this value"
            )
