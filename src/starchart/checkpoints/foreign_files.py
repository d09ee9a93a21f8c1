"""Files that are no weights at all: what often lies in their place."""

from starchart.errors import CheckpointError


def refuse_foreign(first: bytes, source: str) -> None:
    """Raise CheckpointError if the first bytes of a file are those of a Git LFS pointer or a web page."""
    text = first.lstrip().lower()
    if text.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{source}: is a Git LFS pointer, not the weights; fetch them with 'git lfs pull'")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(f"{source}: is a web page, not the weights; fetch it again")
