"""Puts files into the Hugging Face cache, in the layout of huggingface_hub, so that its tools know them as their own.

A file is a blob under the name of its checksum, and a link to it in the folder of its commit. What is not whole and
checked has another name, <checksum>.incomplete; the link is made last.
"""

import os
from contextlib import suppress
from pathlib import Path

from starchart.hub_cache import repository_folder
from starport.hub.listing import HubFile


class Snapshot:
    """The files of one commit of a model in the cache. `folder` is where they are; it need not be there yet."""

    def __init__(self, repository: str, commit: str) -> None:
        self.commit = commit
        self._repository = repository_folder(repository)
        self.folder = self._repository / "snapshots" / commit

    def holds(self, file: HubFile) -> bool:
        """Return whether the file is there."""
        return _has_size(self.folder / file.name, file.size)

    def holds_content(self, file: HubFile) -> bool:
        """Return whether the content of the file is there, of this commit or of another."""
        return _has_size(self.content(file), file.size)

    def content(self, file: HubFile) -> Path:
        """Return the path for the content of a file."""
        return self._repository / "blobs" / file.checksum

    def partial(self, file: HubFile) -> Path:
        """Return the path for what has come so far of the content of a file."""
        return self._repository / "blobs" / f"{file.checksum}.incomplete"

    def size_so_far(self, file: HubFile) -> int:
        """Return how many bytes of a file are there."""
        if self.holds(file) or self.holds_content(file):
            return file.size
        partial = self.partial(file)
        return min(partial.stat().st_size, file.size) if partial.is_file() else 0

    def lock(self, file: HubFile) -> Path:
        """Return the path of the lock that huggingface_hub, too, holds while it fetches this file."""
        return self._repository.parent / ".locks" / self._repository.name / f"{file.checksum}.lock"

    def link(self, file: HubFile) -> None:
        """Let the snapshot have a file whose content is there. Raises OSError."""
        if self.holds(file):
            return
        blob, link = self.content(file), self.folder / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            link.unlink()
        try:
            os.symlink(os.path.relpath(blob, link.parent), link)
        except FileExistsError:
            return  # another process was quicker
        except OSError:  # Windows lets not everybody make links; huggingface_hub moves the file then, too
            os.replace(blob, link)

    def give_name(self, revision: str) -> None:
        """Note that `revision` is this commit. Raises OSError."""
        if revision == self.commit:
            return
        reference = self._repository / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        unfinished = reference.with_name(f"{reference.name}.{os.getpid()}.tmp")
        unfinished.write_text(self.commit, encoding="utf-8")
        os.replace(unfinished, reference)


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size
    except OSError:
        return False
