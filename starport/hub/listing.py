"""The list of the files of a model at one commit. It comes from outside, so it is checked before it is used."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starchart.hub_cache import COMMIT
from starport.hub.errors import HubError

_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """A file. A `checksum` of 64 digits is the SHA-256 of its content, one of 40 digits the SHA-1 of its git blob."""

    name: str
    size: int
    checksum: str


@dataclass(frozen=True)
class Listing:
    """The files of a model ("org/name") by name, at the commit of the revision."""

    endpoint: str
    repository: str
    revision: str
    commit: str
    files: Mapping[str, HubFile]

    @classmethod
    def checked(cls, endpoint: str, repository: str, revision: str, commit: Any, siblings: Iterable[Any]) -> "Listing":
        """Return the checked list of `siblings`, as huggingface_hub calls files. Raises HubError for a bad commit hash.

        A file without a size or a checksum is left out, because its download could not be checked.
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
    if sibling.lfs:  # the git blob is only a pointer to the file
        size, checksum = sibling.lfs.size, sibling.lfs.sha256
    known = isinstance(checksum, str) and _CHECKSUM.fullmatch(checksum) and type(size) is int and size >= 0
    return HubFile(name, size, checksum) if known and isinstance(name, str) else None
