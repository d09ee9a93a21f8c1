"""What the hub has of one model at one commit. It comes from outside, and is checked before anything is made of it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starchart.hub_cache import COMMIT
from starport.hub.errors import HubError

_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """A file. `checksum`: 64 digits are the SHA-256 of its content, 40 the SHA-1 of the blob that git makes of it."""

    name: str
    size: int
    checksum: str


@dataclass(frozen=True)
class Listing:
    """The files of a model ("org/name") by name, at the commit that the revision stands for."""

    endpoint: str
    repository: str
    revision: str
    commit: str
    files: Mapping[str, HubFile]

    @classmethod
    def checked(cls, endpoint: str, repository: str, revision: str, commit: Any, siblings: Iterable[Any]) -> "Listing":
        """Return the listing of what huggingface_hub calls siblings. Raises HubError if the commit is no hash.

        A file without a size or a checksum is not listed: nothing could be known of what comes.
        """
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise HubError(f"{endpoint} names no commit of {repository}", "check HF_ENDPOINT")
        files = [_checked_file(sibling) for sibling in siblings]
        return cls(endpoint, repository, revision, commit, {file.name: file for file in files if file})

    def file(self, name: str) -> HubFile:
        """Return a file by name. Raises HubError if there is none."""
        if name not in self.files:
            raise HubError(f"{self.repository} has no {name}, which its index names", "tell its authors")
        return self.files[name]


def _checked_file(sibling: Any) -> HubFile | None:
    name, size, checksum = sibling.rfilename, sibling.size, sibling.blob_id
    if sibling.lfs:  # the blob in git is a pointer; what is meant lies elsewhere
        size, checksum = sibling.lfs.size, sibling.lfs.sha256
    known = isinstance(checksum, str) and _CHECKSUM.fullmatch(checksum) and type(size) is int and size >= 0
    return HubFile(name, size, checksum) if known and isinstance(name, str) else None
