"""Writes files into the Hugging Face cache, in the layout of huggingface_hub, so that its tools find them too.

The content of a file is a blob, named by its checksum, and a link to it lies in the folder of the commit. A blob
that is incomplete or not checked yet is named <checksum>.incomplete; the link is made last.
"""

import os
from contextlib import suppress
from pathlib import Path

from starchart.hub_cache import repository_folder
from starport.hub.listing import HubFile


class Snapshot:
    """The files of one commit of a model in the cache. `folder` is their folder, which need not exist yet."""

    def __init__(self, repository: str, commit: str) -> None:
        self.commit = commit
        self._repository = repository_folder(repository)
        self.folder = self._repository / "snapshots" / commit

    def holds(self, file: HubFile) -> bool:
        """Return whether the file is in the folder of this commit."""
        return _has_size(self.folder / file.name, file.size)

    def holds_content(self, file: HubFile) -> bool:
        """Return whether the content of the file is cached, from this commit or another."""
        return _has_size(self.content(file), file.size)

    def content(self, file: HubFile) -> Path:
        """Return the path of the blob: the content of a file."""
        return self._repository / "blobs" / file.checksum

    def partial(self, file: HubFile) -> Path:
        """Return the path of the incomplete blob of a file."""
        return self._repository / "blobs" / f"{file.checksum}.incomplete"

    def size_so_far(self, file: HubFile) -> int:
        """Return how many bytes of a file are cached so far."""
        if self.holds(file) or self.holds_content(file):
            return file.size
        partial = self.partial(file)
        return min(partial.stat().st_size, file.size) if partial.is_file() else 0

    def lock(self, file: HubFile) -> Path:
        """Return the path of the lock for this file. huggingface_hub uses the same lock."""
        return self._repository.parent / ".locks" / self._repository.name / f"{file.checksum}.lock"

    def link(self, file: HubFile) -> None:
        """Link a file, whose content is cached, into the folder of this commit. Raises OSError."""
        if self.holds(file):
            return
        blob, link = self.content(file), self.folder / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            link.unlink()
        try:
            os.symlink(os.path.relpath(blob, link.parent), link)
        except FileExistsError:
            return  # another process made it first
        except OSError:  # Windows may forbid links; then the file is moved, as in huggingface_hub
            os.replace(blob, link)

    def give_name(self, revision: str) -> None:
        """Store that `revision` is this commit. Raises OSError."""
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
