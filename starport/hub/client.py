"""What is asked of the hub, by way of huggingface_hub, which must be installed: its endpoint, token and time limits.

It is asked for the list of files and for files, nothing else: what the library tells of this machine in every request,
and a request of its own that serves only that, is turned off unless HF_HUB_DISABLE_TELEMETRY says otherwise.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
with warnings.catch_warnings(action="ignore"):
    from huggingface_hub import HfApi, constants, hf_hub_url
    from huggingface_hub import __version__ as library_version
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

from starchart import __version__
from starport.hub.errors import explained
from starport.hub.listing import HubFile, Listing

if library_version.startswith("0."):
    raise ImportError(library_version)  # it is built on another library for HTTP

ENDPOINT = constants.ENDPOINT
_NAMED: dict[str, Any] = {"library_name": "starchart", "library_version": __version__}

logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # what goes wrong is said once, by us


@contextmanager
def explaining(repository: str, revision: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a HubError; a CheckpointError stays what it is."""
    try:
        yield
    except Exception as error:
        raise explained(error, ENDPOINT, repository, revision) from None


def list_model(repository: str, revision: str) -> Listing:
    """Return what the hub has of a model. Raises HubError."""
    with explaining(repository, revision):
        info = HfApi(**_NAMED).model_info(
            repository, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
        return Listing.checked(ENDPOINT, repository, revision, info.sha, info.siblings or [])


@contextmanager
def open_file(listing: Listing, file: HubFile, start: int) -> Iterator[Any]:
    """Ask for a file from byte `start` on, and give the answer, which may be the whole file all the same.

    httpx, the library of the library, leaves the token out where another host is to send the file. Raises its errors
    and those of huggingface_hub.
    """
    headers = build_hf_headers(**_NAMED) | {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    url = hf_hub_url(listing.repository, file.name, revision=listing.commit)
    with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
        hf_raise_for_status(response)
        yield response
